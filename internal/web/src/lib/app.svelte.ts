// The state of the whole page: the asker, the route and the address.

import { api, become, enter, Problem, type Session, type Why } from './api'
import { forget } from './names.svelte'
import type { Zone } from './time'

export const tabs = ['conversation', 'versions', 'trace'] as const

export type Tab = (typeof tabs)[number]

export type Route = {
  page: 'search' | 'deliveries' | 'ledger' | 'law'
  q: string
  open: string // the message whose conversation is open
  tab: Tab
  delivery: string
}

function read(): Route {
  const p = new URLSearchParams(location.search)
  const page = p.get('page')
  return {
    page: page === 'deliveries' || page === 'ledger' || page === 'law' ? page : 'search',
    q: p.get('q') ?? '',
    open: p.get('open') ?? '',
    tab: tabs.find((t) => t === p.get('tab')) ?? 'conversation',
    delivery: p.get('delivery') ?? '',
  }
}

/** address formats a route as an address. */
export function address(r: Route): string {
  const p = new URLSearchParams()
  if (r.page !== 'search') p.set('page', r.page)
  if (r.q) p.set('q', r.q)
  if (r.open) p.set('open', r.open)
  if (r.open && r.tab !== 'conversation') p.set('tab', r.tab)
  if (r.delivery) p.set('delivery', r.delivery)
  const text = p.toString()
  return text ? `/?${text}` : '/'
}

class App {
  route = $state<Route>(read())
  zone = $state<Zone>(localStorage.getItem('zone') === 'local' ? 'local' : 'UTC')
  session = $state<Session | null>(null)
  problem = $state<Problem | null>(null)
  why = $state<Why>({ authority: '', purpose: '' })
  help = $state(false)

  constructor() {
    addEventListener('popstate', () => Object.assign(this.route, read()))
    // Opening the link in an open page changes only the hash.
    addEventListener('hashchange', () => location.hash && void this.begin())
  }

  /** is reports whether the asker has one of some roles. */
  is(...roles: string[]) {
    return roles.some((r) => this.session?.person?.roles?.includes(r))
  }

  async begin() {
    this.problem = null
    try {
      await enter()
      const kept = JSON.parse(sessionStorage.getItem('why') ?? '{}') as Partial<Why>
      const session = await api.session()
      const known = session.authorities?.some((a) => a.authority === kept.authority)
      this.why = {
        authority: (known && kept.authority) || session.who.authority,
        purpose: kept.purpose || session.who.purpose,
      }
      this.session = session
      // An overseer reads no messages.
      if (this.is('overseer') && !location.search) this.route.page = 'ledger'
    } catch (err) {
      this.problem = asProblem(err)
    }
  }

  /** become switches to another person. Nothing that the previous person saw stays on the page. */
  async become(other: string) {
    try {
      await become(other)
      sessionStorage.removeItem('why')
      location.assign('/')
    } catch (err) {
      this.problem = asProblem(err)
    }
  }

  /** go changes the route. The browser's back button undoes the change. */
  go(change: Partial<Route>) {
    // Assign field by field, so that only the effects of changed fields run again.
    Object.assign(this.route, change)
    const next = address(this.route)
    if (next !== location.pathname + location.search) history.pushState(null, '', next)
  }

  /** to returns the address of the route after a change, for links. */
  to(change: Partial<Route>): string {
    return address({ ...this.route, ...change })
  }

  ask(why: Why) {
    if (why.authority !== this.why.authority) forget()
    this.why = why
    sessionStorage.setItem('why', JSON.stringify(why))
  }

  setZone(zone: Zone) {
    this.zone = zone
    localStorage.setItem('zone', zone)
  }
}

export const app = new App()

export function asProblem(err: unknown): Problem {
  return err instanceof Problem ? err : new Problem(0, 'Error in the page', String(err))
}

/** follow makes a link change the route without loading the page. */
export function follow(change: Partial<Route>) {
  return (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    app.go(change)
  }
}
