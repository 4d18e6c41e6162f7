/** Tasks of a module that looks for what has run before it. */
globalThis.tasksAreHere = true;
const atImport = globalThis.bootstrapped;

export const atImportTime = () => atImport;
export const exit = () => {
  setTimeout(() => {
    throw new Error("the end");
  });
  return new Promise(() => {});
};
