/** The bytes are no encoding. */
export class MalformedPayload extends Error {}
