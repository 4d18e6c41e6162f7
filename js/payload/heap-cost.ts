/**
 * The heap that a decoded value takes, in bytes: a rough estimate that is rather too high.
 *
 * Two bytes of an encoding can become a Map of two hundred bytes. An engine that runs out of heap ends its process, so
 * both sides add up the heap that a value will take: an encoder refuses what a decoder would not create. Values whose
 * heap is less than four times their encoded bytes, such as strings and binary values, are covered by the limit on
 * encoded bytes.
 */

/** The most heap that one value may take. */
export const MAX_HEAP_BYTES = 1024 * 1024 * 1024;

/** An element of an array, with the number or the short string in it. */
export const ELEMENT_BYTES = 32;
export const ARRAY_BYTES = 64;
/** An element of an array with holes, which is a hash table. */
export const SPARSE_ELEMENT_BYTES = 128;
export const SPARSE_BYTES = 512;
export const OBJECT_BYTES = 64;
export const PROPERTY_BYTES = 32;
/** Objects with more properties than this are hash tables. */
export const FEW_PROPERTIES = 128;
/** Each further property of such an object takes more. */
export const TABLE_PROPERTY_BYTES = 128;
/** An empty Map or Set. */
export const COLLECTION_BYTES = 256;
export const MAP_ENTRY_BYTES = 128;
export const SET_MEMBER_BYTES = 96;
export const DATE_BYTES = 96;
export const REGEXP_BYTES = 512;
/** A binary value without its bytes. */
export const BINARY_BYTES = 384;
export const ERROR_BYTES = 512;
export const ERROR_PART_BYTES = 128;
/** What a decoder needs to remember an object that is referred to. */
export const MARK_BYTES = 64;
