// The values that a query demands. The server writes its text (POST /api/query).

import type { Narrowed, Value } from './api'

/** demanded reports whether a query demands a value. */
export const demanded = (n: Narrowed | undefined, v: Value): boolean => !!n?.and?.some((o) => o.field === v.field && o.value === v.value)
