// Keys that belong to an input method: the Enter that ends a composition chooses a word and must
// not send. Safari reports that Enter after the composition has ended. Only its key code then still
// says that an input method has processed it.

/** `KeyboardEvent.keyCode` of a key that an input method has processed. */
const PROCESSED = 229

export const isComposing = (event: KeyboardEvent): boolean =>
  event.isComposing || event.keyCode === PROCESSED
