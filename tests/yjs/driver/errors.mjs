/** What went wrong in an editor or a provider and was not thrown at a caller. */
export const errors = [];

export function note(error) {
  errors.push(String(error?.detail?.stack ?? error?.stack ?? error));
}

console.error = note;
process.on("uncaughtException", note);
// Every provider listens for the end of the process.
process.setMaxListeners(0);
