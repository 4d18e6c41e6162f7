/**
 * The bytes of an encoded value. They mean the same in every runtime, and no code is made from them.
 *
 * ```text
 *   value     = tag byte, then by tag:
 *   INT32     4 bytes               FLOAT64, DATE  8 bytes, little-endian
 *   BIGINT    sign byte, count, magnitude, most significant byte first
 *   LATIN1    count, one byte a code unit       UTF16  count of bytes, two bytes a code unit
 *   SYMBOL    key of Symbol.for: a string value
 *   ARRAY     count, values         SPARSE  length, count, (index, value)...
 *   EXTENDED  ARRAY or SPARSE with its content, (key: a string value, value)..., END: an array with other properties
 *   OBJECT    (key: a string value, value)..., END
 *   ALIKE     values, of the same keys as the first element of the ARRAY that it stands in, which is an OBJECT
 *   MAP       count, (key: value, value)...     SET  count, values
 *   BINARY    view byte, count, bytes
 *   VIEW      view byte, offset, count of bytes, buffer: a value that is an ArrayBuffer or a SharedArrayBuffer
 *   REGEXP    source, flags: string values; lastIndex: a number value
 *   ERROR     class, name, message: string values; stack: value;
 *             then (1, part byte, [key: a string value], value)..., 0
 *   REFERENCE offset
 *   SHARED    number of a SharedArrayBuffer, see ../shared-memory/references.ts
 *   MAPPED    number of shared memory, offset, length, its name: a string value, inode; of a ProcessSharedBuffer
 *   ENVELOPE  header: value, payload: value
 *   count, length, index, offset, number, inode = LEB128, at most 2^53 - 1
 * ```
 *
 * An object that occurs in a value more than once is encoded at its first occurrence, with `MARK` added to its tag.
 * Every other occurrence is a reference to the offset of that tag from the start of the encoding. An object that occurs
 * once has no mark, so a decoder keeps track of marked objects only.
 */

export const UNDEFINED = 0;
export const NULL = 1;
export const FALSE = 2;
export const TRUE = 3;
export const INT32 = 4;
export const FLOAT64 = 5;
export const BIGINT = 6;
export const LATIN1 = 7;
export const UTF16 = 8;
export const DATE = 9;
export const ARRAY = 10;
export const SPARSE = 11;
export const OBJECT = 12;
export const BINARY = 13;
export const ERROR = 14;
export const MAP = 15;
export const SET = 16;
export const REGEXP = 17;
export const SYMBOL = 18;
export const VIEW = 19;
export const REFERENCE = 20;
export const ALIKE = 21;
export const EXTENDED = 22;
export const SHARED = 24;
export const MAPPED = 25;
export const ENVELOPE = 26;

/** Ends an object, in place of another key. */
export const END = 0;

/** Added to the tag of an object that a later reference refers to. */
export const MARK = 0x80;

/** The parts of an error that may follow its stack. */
export const PART_CAUSE = 0;
export const PART_ERRORS = 1;
export const PART_PROPERTY = 2;

/** Shorter arrays repeat the keys of each object in them, because comparing the keys takes longer than writing them. */
export const LIST_LENGTH = 4;

/** How deep values may be nested. Deeper values are refused. */
export const MAX_DEPTH = 500;

/** Largest number of code units in a symbol's key. A process never releases the key of a registered symbol. */
export const MAX_SYMBOL_UNITS = 256;
