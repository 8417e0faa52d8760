// Changes of a query's text by clicks.

/** term formats a field and a counted value as a term of a query. */
export function term(field: string, value: string): string {
  const exact = value.startsWith('=') ? '=' : ''
  let v = value.slice(exact.length)
  if (!/^[\p{L}\p{Nd}@_+#][\p{L}\p{Nd}@._+\-#:]*$/u.test(v)) {
    v = `"${v.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  }
  return `${field}:${exact}${v}`
}

/** has reports whether a query contains a term literally. */
export const has = (query: string, t: string): boolean => ` ${query} `.includes(` ${t} `)

/** toggle adds a term to a query, or removes it. */
export function toggle(query: string, t: string): string {
  if (has(query, t)) return ` ${query} `.replace(` ${t} `, ' ').trim()
  const alternatives = /\bOR\b/.test(query)
  return `${alternatives ? `(${query})` : query.trim()} ${t}`.trim()
}

/** between sets the time of a query, in place of an earlier one. */
export function between(query: string, from: string, to: string): string {
  const range = `sent:${from}..${to}`
  const old = /(^|\s)(sent|on):[^\s()]+/
  if (old.test(query)) return query.replace(old, `$1${range}`)
  return toggle(query, range)
}
