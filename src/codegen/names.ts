// Names and texts of a generated module: what the schema says, written so that nothing in it can become code.

/** Word that begins the names of a bucket's or collection's types: `blog_posts` → `BlogPosts`. No two names share one, and with the ending
 *  that every type has (`…File`, `…Record`) it is no other name of the module either. */
export function typeName(name: string): string {
  return name.replace(/(^|_)([a-z])/g, (_, _before, letter: string) => letter.toUpperCase())
}

/** A string literal. JSON's are TypeScript's, too. */
export function literal(text: string): string {
  return JSON.stringify(text)
}

/** The key of a property: bare where it is a word, else a string literal. */
export function key(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) && name !== '__proto__' ? name : literal(name)
}

/** The text of a comment, on one line, that cannot end it. */
export function comment(text: string): string {
  const line = [...text].map((letter) => (isControl(letter) ? ' ' : letter)).join('')
  return `/** ${line.replaceAll('*/', '*\\/')} */`
}

/** Also the separators that end a line in JavaScript (ECMA-262 §12.3), and what changes the direction of text. */
function isControl(letter: string): boolean {
  return /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(letter)
}

/** Letters that nobody sees, or that change the order of others, as escapes: all of them stand in string literals. */
export function shown(text: string): string {
  return text.replace(/[\p{Cf}\u2028\u2029]/gu, (letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`)
}
