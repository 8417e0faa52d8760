// The answers of the API, as /api/openapi.json describes them.

/** Time says whose clock stamped it, unless it was the service's. */
export type Time = string | { utc: string; raw?: string; zone?: string; clock?: 'sender' | 'receiver' }

export type Attachment = { name?: string; sha256?: string; size?: number; type?: string }

export type Field = { name: string; value: string }

/** Type is what a message records; a text has none. Texts and polls are counted as messages. */
export type Type =
  | 'poll' | 'call' | 'contact' | 'room' | 'membership' | 'reaction' | 'location' | 'device' | 'draft' | 'notice' | 'note'

/** Facts are what a message records besides words. A text may have a contact and a location. */
export type Facts = {
  call?: { direction?: string; seconds?: number; answered?: string; video?: boolean; participants?: string[] }
  contact?: { names?: string[]; accounts?: string[] }
  room?: { name?: string; topic?: string; members?: string[] }
  membership?: { action: string; members?: string[]; name?: string }
  reaction?: { to?: string; sign?: string; removed?: boolean }
  location?: { latitude?: string; longitude?: string; accuracy?: string; source?: string; name?: string }
  device?: { name?: string; model?: string; identifiers?: Field[] }
  poll?: { question?: string; options?: string[] }
  replies?: number
}

export type Message = {
  service: string
  conversation?: string
  title?: string
  from?: string
  from_name?: string
  to?: string[]
  id?: string
  seq?: number
  sent?: Time
  received?: Time
  read?: Time
  edited?: Time
  text?: string
  lang?: string
  state?: string[]
  reply_to?: string
  forwarded_from?: string
  attachments?: Attachment[]
  locked?: { key_id?: string; algorithm?: string; payload?: string }
  extra?: Field[]
  type?: Type
  facts?: Facts
  account_reach?: string
  conversation_reach?: string
}

/** Hit is one message: the union of the copies that the scope covers. */
export type Hit = {
  ref: string
  version: string
  message: Message
  marks?: [number, number][]
  deliveries: string[]
  unsealed?: string[]
  sightings: number
  versions: number
  also_locked?: boolean
}

export type Count = { value: string; count: number }

/** Value is one that a facet counts. */
export type Value = { field: string; value: string }

/** Narrowed is what every message of a query has to have, and what none may have. */
export type Narrowed = { and?: Value[]; not?: Value[] }

/** Change narrows a query or widens it. The period takes the place of the one it names. */
export type Change = { and?: Value[]; not?: Value[]; drop?: Value[]; sent?: { from?: string; to?: string } }

export type SearchResult = {
  query: string
  narrowed?: Narrowed
  hits: Hit[] | null
  total: number
  messages: number
  beside?: Count[]
  differing?: number
  facets?: Record<string, Count[] | null>
  histogram?: Count[]
  partial?: { since?: string; why: string }
  next?: string
  behind: number
  entry: number
}

export type Original = { sha256: string; size: number; path: string; modified_us?: number }

/** Sighting is one copy in one place. What it states is all but its content. */
export type Sighting = {
  seq: number
  id?: string
  delivery: string
  reader: string
  original: Original
  where: { path?: string; record?: number; offset?: number; length?: number }
  states?: Message
  raw?: string
  raw_withheld?: boolean
}

export type Entity = { kind: string; normal: string; start: number; end: number }

export type Version = { version: string; message: Message; entities?: Entity[]; sightings: Sighting[] }

export type Shown = { ref: string; message: Message; versions: Version[]; entry: number }

export type Page = {
  service: string
  conversation: string
  title?: string
  hits: Hit[] | null
  earlier: number
  later: number
  entry: number
}

export type Counts = {
  read: number
  stored: number
  sightings: number
  quarantined: number
  differing: number
  locked: number
  sealed?: number
}

/** Gap is what is missing in one conversation, of one account, or in a service. */
export type Gap = {
  service: string
  conversation?: string
  account?: string
  attachments_missing?: number
  numbers_unseen?: number
  first_number?: number
  last_number?: number
  only?: string
  conversations_one_sided?: number
  steps_against_time?: number
  replies_missing?: number
}

export type Completeness = {
  conversations: number
  attachments_missing: number
  numbers_unseen: number
  conversations_one_sided: number
  steps_against_time: number
  replies_missing?: number
  owners_unnamed?: number
  files_of_another_count: number
  differing?: { file: string; what: string; stated: number; found: number }[]
  in?: Gap[]
  more?: { conversations?: number; accounts?: number }
}

export type Delivery = {
  delivery: string
  holds?: { messages: number; beside?: Count[] }
  opening: {
    source: string
    authority: string
    actor: string
    started_us: number
    software: string
    readers: string[]
    options?: Field[]
  }
  seal?: {
    sealed: string
    records: number
    root: string
    counts: Counts
    originals: number
    originals_root: string
    first: Time
    last: Time
    incomplete?: string
  }
  counts: Counts
  /** The scope covers a part: account and seal are withheld. */
  partial?: boolean
  /** The scope covers it and not all others: only read and quarantined are counted. */
  limited?: boolean
  completeness?: Completeness
  files?: { original: Original; readers?: string[]; counts: Counts; problems?: Count[] }[]
}

export type Entry = {
  seq: number
  time: string
  actor: string
  authority?: string
  purpose?: string
  action: string
  subject?: string
  detail?: Record<string, string>
  destroyed?: boolean
  destroyed_by?: number
}

export type Session = {
  who: { actor: string; authority: string; purpose: string }
  store: string
  key?: string
  authorities: Authority[] | null
}

export type Authority = {
  authority: string
  title?: string
  basis: string
  granted_by: string
  purpose: string
  acts?: string[]
  scope?: string
  until?: string
  revoked?: { reason: string }
}

export type Place = { offset: number; length: number; hint?: string }

/** Problem is what went wrong, as the server (RFC 9457) or the network says. */
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

/** The secret of the session. What is stored belongs to scheme, host and port, so no other page of this machine sees it. */
const kept = 'session'

/** enter trades the token in the address, if there is one, for the session. */
export async function enter(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (!token) return
  history.replaceState(null, '', location.pathname + location.search)
  try {
    const { session } = await ask<{ session: string }>(nobody, '/api/open', { method: 'POST', headers: { 'X-Argus-Token': token } })
    localStorage.setItem(kept, session)
  } catch (err) {
    // The token was used. If it was in this browser, the session is here.
    if (!(err instanceof Problem && err.status === 401 && localStorage.getItem(kept))) throw err
  }
}

async function ask<T>(why: Why, path: string, init: RequestInit = {}): Promise<T> {
  const headers: Record<string, string> = { 'X-Argus-Session': localStorage.getItem(kept) ?? '', ...(init.headers as Record<string, string>) }
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

type Parameters = Record<string, string | number | boolean | undefined>

function search(parameters: Parameters): string {
  const pairs = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== '')
  return new URLSearchParams(pairs.map(([k, v]) => [k, String(v)])).toString()
}

export const api = {
  session: () => ask<Session>(nobody, '/api/session'),
  search: (why: Why, body: object, signal?: AbortSignal) =>
    ask<SearchResult>(why, '/api/search', { method: 'POST', body: JSON.stringify(body), signal: signal ?? null }),
  change: (query: string, zone: string, change: Change) =>
    ask<{ query: string; narrowed?: Narrowed }>(nobody, '/api/query', { method: 'POST', body: JSON.stringify({ query, zone, ...change }) }),
  show: (why: Why, ref: string, raw: boolean) =>
    ask<Shown>(why, `/api/messages/${encodeURIComponent(ref)}?${search({ raw })}`),
  conversation: (why: Why, parameters: Parameters) => ask<Page>(why, `/api/conversation?${search(parameters)}`),
  deliveries: (why: Why) => ask<Delivery[] | null>(why, '/api/deliveries'),
  receipt: (why: Why, number: string) => ask<Delivery>(why, `/api/deliveries/${encodeURIComponent(number)}`),
  ledger: (why: Why, from: number, limit: number) => ask<Entry[] | null>(why, `/api/ledger?${search({ from, limit })}`),
}
