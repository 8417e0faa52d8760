// The answers of the API. Their types are generated from ../api/openapi.json.

import type { ChangeRequest, Message, operations, Place, SearchRequest } from './openapi'

export type {
  Attachment, Authority, Completeness, Delivery, Entry, Order, Overseen, Person, Facts, Gap, Hit, Message, Narrowed, Page, SearchRequest, SearchResult, Session, Shown, Sighting, Tally,
  Value,
} from './openapi'

/** Time is a string, or an object if the source states more about the time. */
export type Time = NonNullable<Message['sent']>

/** Change narrows a query or widens it. Its period replaces the period of the query. */
export type Change = Omit<ChangeRequest, 'query' | 'zone'>

/** Answer is the body of a successful response. */
type Answer<O extends keyof operations> = operations[O]['responses'][200]['content']['application/json']

/** Problem is an error of the server, in the form of RFC 9457, or of the network. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly place?: Place,
  ) {
    super(detail || title)
  }
}

export type Why = { authority: string; purpose: string }

const nobody: Why = { authority: '', purpose: '' }

/** * The secrets of sessions are stored under the names of their actors. The storage
belongs to one scheme, host and port, so no other page on this * machine can read it. A
tab belongs to one actor until it switches, even if other tabs belong to other actors. */
const kept = (actor: string) => `session/${actor}`

/** actor returns the actor whose session this tab uses: the tab's own, or otherwise the one that was opened last. */
const actor = () => sessionStorage.getItem('actor') ?? localStorage.getItem('actor') ?? ''

const secret = () => localStorage.getItem(kept(actor())) ?? ''

function keep(opened: Answer<'open'>) {
  localStorage.setItem(kept(opened.actor), opened.session)
  localStorage.setItem('actor', opened.actor)
  sessionStorage.setItem('actor', opened.actor)
}

/** enter exchanges the token in the address, if there is one, for a session. */
export async function enter(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (!token) return
  history.replaceState(null, '', location.pathname + location.search)
  try {
    keep(await ask<Answer<'open'>>(nobody, '/api/open', { method: 'POST', headers: { 'X-Argus-Token': token } }))
  } catch (err) {
    // The token has been used. If this browser used it, the session is stored here.
    if (!(err instanceof Problem && err.status === 401 && secret())) throw err
  }
}

/** become switches to another person's session, in a demonstration. */
export async function become(other: string): Promise<void> {
  keep(await ask<Answer<'switch'>>(nobody, '/api/switch', { method: 'POST', body: JSON.stringify({ actor: other }) }))
}

async function ask<T>(why: Why, path: string, init: RequestInit = {}): Promise<T> {
  const headers: Record<string, string> = { 'X-Argus-Session': secret(), ...(init.headers as Record<string, string>) }
  if (why.authority) headers['X-Argus-Authority'] = encodeURIComponent(why.authority)
  if (why.purpose) headers['X-Argus-Purpose'] = encodeURIComponent(why.purpose)
  if (init.body) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(path, { ...init, headers })
  } catch (err) {
    if (err instanceof DOMException && err.name === 'AbortError') throw err
    throw new Problem(0, 'Argus does not answer', 'Is the argus command still running?')
  }
  if (response.ok) return (await response.json()) as T
  const said = (await response.json().catch(() => ({}))) as Partial<Problem>
  throw new Problem(response.status, said.title ?? response.statusText, said.detail ?? '', said.place)
}

type Query<O extends 'show' | 'page' | 'ledger'> = NonNullable<operations[O]['parameters']['query']>

function search(parameters: Query<'show'> | Query<'page'> | Query<'ledger'>): string {
  const pairs = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== '')
  return new URLSearchParams(pairs.map(([k, v]) => [k, String(v)])).toString()
}

export const api = {
  session: () => ask<Answer<'session'>>(nobody, '/api/session'),
  search: (why: Why, body: SearchRequest, signal?: AbortSignal) =>
    ask<Answer<'search'>>(why, '/api/search', { method: 'POST', body: JSON.stringify(body), signal: signal ?? null }),
  change: (query: string, zone: string, change: Change) =>
    ask<Answer<'change'>>(nobody, '/api/query', { method: 'POST', body: JSON.stringify({ query, zone, ...change }) }),
  show: (why: Why, ref: string, raw: boolean) =>
    ask<Answer<'show'>>(why, `/api/messages/${encodeURIComponent(ref)}?${search({ raw })}`),
  conversation: (why: Why, parameters: Query<'page'>) => ask<Answer<'page'>>(why, `/api/conversation?${search(parameters)}`),
  deliveries: (why: Why) => ask<Answer<'deliveries'>>(why, '/api/deliveries'),
  receipt: (why: Why, number: string) => ask<Answer<'receipt'>>(why, `/api/deliveries/${encodeURIComponent(number)}`),
  oversight: (why: Why, from: number, limit: number) => ask<Answer<'oversee'>>(why, `/api/oversight?${search({ from, limit })}`),
  authorities: (why: Why, all: boolean) => ask<Answer<'authorities'>>(why, `/api/authorities${all ? '?all=true' : ''}`),
  people: (why: Why) => ask<Answer<'people'>>(why, '/api/people'),
  changeAuthority: (why: Why, number: string, body: Record<string, string>) =>
    ask<Answer<'changeAuthority'>>(why, `/api/authorities/${encodeURIComponent(number)}/changes`, { method: 'POST', body: JSON.stringify(body) }),
  ledger: (why: Why, from: number, limit: number) => ask<Answer<'ledger'>>(why, `/api/ledger?${search({ from, limit })}`),
}
