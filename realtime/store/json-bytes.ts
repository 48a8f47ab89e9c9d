// The size of a value on the wire. Node measures a text in its own code, so megabytes cost nothing.

/** Bytes of the value's JSON in UTF-8. */
export const jsonBytes = (value: object): number => Buffer.byteLength(JSON.stringify(value))
