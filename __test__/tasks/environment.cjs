/** Prints its environment. */
console.log(JSON.stringify(process.env));
