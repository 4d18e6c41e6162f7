/**
 * What a decoded value takes of the heap, roughly and rather too much, in bytes.
 *
 * Two bytes of an encoding can become a Map of two hundred. An engine that runs out of heap ends its process, so both sides
 * add up what a value will take: an encoder refuses what a decoder would not make. What grows with the bytes by less than
 * four times, such as strings and binary values, is left to the limit of those.
 */

/** Most that one value may take. */
export const MAX_HEAP_BYTES = 1024 * 1024 * 1024;

/** A place in an array, with the number or the short string in it. */
export const ELEMENT_BYTES = 32;
export const ARRAY_BYTES = 64;
/** An element of an array with holes: such a one is a hash table. */
export const SPARSE_ELEMENT_BYTES = 128;
export const SPARSE_BYTES = 512;
export const OBJECT_BYTES = 64;
export const PROPERTY_BYTES = 32;
/** Objects of more properties than this are hash tables, */
export const FEW_PROPERTIES = 128;
/** and each further one takes more. */
export const TABLE_PROPERTY_BYTES = 128;
/** Maps and Sets, empty. */
export const COLLECTION_BYTES = 256;
export const MAP_ENTRY_BYTES = 128;
export const SET_MEMBER_BYTES = 96;
export const DATE_BYTES = 96;
export const REGEXP_BYTES = 512;
/** A binary value without its bytes. */
export const BINARY_BYTES = 384;
export const ERROR_BYTES = 512;
export const ERROR_PART_BYTES = 128;
/** What a decoder needs to keep an object that is referred to. */
export const MARK_BYTES = 64;
