// The names that sources show for accounts and conversations, as seen under the
// current authority. A name is a claim of its source, for one service: the account
// is always shown with it.

import { SvelteMap } from 'svelte/reactivity'

import type { Hit } from './api'

const names = new SvelteMap<string, string>()

const key = (kind: string, service: string, id: string) => JSON.stringify([kind, service, id])

/** learn keeps the names that hits show. */
export function learn(hits: Hit[]) {
  for (const { message: m } of hits) {
    if (m.from && m.from_name) names.set(key('from', m.service, m.from), m.from_name)
    if (m.conversation && m.title) names.set(key('in', m.service, m.conversation), m.title)
  }
}

/** forget drops all names, because another authority may not cover their messages. */
export const forget = () => names.clear()

/** accountName returns the name that sources show for an account of a service, or the account. */
export const accountName = (service: string, account: string): string => names.get(key('from', service, account)) ?? account

/** claims lists the services that show a name for an id, with the name. */
export const claims = (kind: 'from' | 'in', services: string[], id: string): [service: string, name: string][] =>
  services.flatMap((service) => {
    const name = kind === 'from' ? accountName(service, id) : conversationName(service, id)
    return name === id || name === id.replaceAll('|', ' · ') ? [] : [[service, name] as [string, string]]
  })

/** conversationName returns the title of a conversation, or the names of its two accounts. */
export function conversationName(service: string, conversation: string): string {
  const title = names.get(key('in', service, conversation))
  return title ?? conversation.split('|').map((account) => accountName(service, account)).join(' · ')
}
