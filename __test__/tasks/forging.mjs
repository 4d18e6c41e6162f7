/** A worker that names shared memory by numbers of its own choice. */
export const forge = ({ own, forged }) => {
  const { mapping } = own.descriptor;
  const number = mapping.hostNumber;
  if (forged === undefined) {
    return number;
  }
  Object.defineProperty(mapping, "hostNumber", { value: forged });
  return own;
};
