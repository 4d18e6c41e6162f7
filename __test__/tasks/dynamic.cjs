/** Exports that a look at the text does not show. */
const name = ["tri", "ple"].join("");
module.exports = { [name]: (x) => 3 * x };
