/**
 * What looks as if a shell or another tool were to expand it. The options take paths and names as they are, so a denial
 * that is written like this would deny nothing.
 */

const FORMS: readonly (readonly [RegExp, string])[] = [
  [/^file:/i, "a URL: fileURLToPath() of node:url gives its path"],
  [/^[a-z][a-z\d+.-]*:\/\//i, "a URL"],
  [/\$[\w{(]|^%\w+%/, "a variable, as a shell has them: process.env has its value"],
  [/^~[\w-]/, "another user's home folder, which a shell would know"],
  [
    /[*?]|\[[^\]]+\]|\{[^}]*,[^}]*\}/,
    "a pattern, and none is expanded: name the folder, or each of its files",
  ],
  [/^!/, "an exception, as files of patterns have them"],
  [/^\s|\s$|^["'].*["']$/, "with blanks or quotation marks around it"],
];

/** What a text looks like, as the end of a sentence; `undefined` for one that can be meant as it is. */
export function unexpanded(text: string): string | undefined {
  return FORMS.find(([form]) => form.test(text))?.[1];
}
