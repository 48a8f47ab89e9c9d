/** Whether the person has asked the browser to save data: nothing is loaded before it is needed. */
export const savesData = (): boolean =>
  (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true
