/** A reporter for vitest: writes each case, when it has ended, as a line of JSON. */
export default class Lines {
  onTestCaseResult(test) {
    const { state, errors } = test.result();
    // The name as the option --testNamePattern sees it.
    const name = test.fullName.replaceAll(" > ", " ");
    process.stdout.write(`${JSON.stringify({ name, state, message: errors?.[0]?.message })}\n`);
  }
}
