// The names that sources show for accounts and conversations, as far as they
// have been seen under the authority that is asked under. They are the sources'
// claim, each of one service: the account stays beside them.

import { SvelteMap } from 'svelte/reactivity'

import type { Hit } from './api'

const names = new SvelteMap<string, string>()

const key = (kind: string, service: string, id: string) => JSON.stringify([kind, service, id])

/** learn keeps the names in hits. */
export function learn(hits: Hit[]) {
  for (const { message: m } of hits) {
    if (m.from && m.from_name) names.set(key('from', m.service, m.from), m.from_name)
    if (m.conversation && m.title) names.set(key('in', m.service, m.conversation), m.title)
  }
}

/** forget drops all names: another authority may not cover what they came from. */
export const forget = () => names.clear()

/** accountName is what sources call an account of a service, or the account. */
export const accountName = (service: string, account: string): string => names.get(key('from', service, account)) ?? account

/** claims are the services in which a name has been seen for an id, with the name. */
export const claims = (kind: 'from' | 'in', services: string[], id: string): [service: string, name: string][] =>
  services.flatMap((service) => {
    const name = kind === 'from' ? accountName(service, id) : conversationName(service, id)
    return name === id || name === id.replaceAll('|', ' · ') ? [] : [[service, name] as [string, string]]
  })

/** conversationName is its title, or the names of its two accounts. */
export function conversationName(service: string, conversation: string): string {
  const title = names.get(key('in', service, conversation))
  return title ?? conversation.split('|').map((account) => accountName(service, account)).join(' · ')
}
