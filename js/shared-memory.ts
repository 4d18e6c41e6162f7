/**
 * Memory that several processes map: `knitting-native/shared-memory`.
 *
 * The class is in a module of its own. A test runner or a bundler that loads this entry point separately therefore
 * still gets the class that the lanes know.
 *
 * @packageDocumentation
 */
export {
  getDefaultProcessSharedBufferPrimitives,
  ProcessSharedBuffer,
  type ProcessSharedBufferDescriptor,
  type ProcessSharedBufferOptions,
  type ProcessSharedBufferPrimitives,
  type SharedMapping,
  type ViewClass,
} from "./shared-memory/process-shared-buffer";
