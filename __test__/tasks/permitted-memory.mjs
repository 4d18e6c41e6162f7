// Copied into a project of its own: see ../project.ts.
export const increment = (memory) => ++memory.view(Int32Array)[0];
