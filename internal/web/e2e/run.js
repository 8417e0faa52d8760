// Drives the interface of a running `argus demo --feed 0`:
//
//   ARGUS_URL='http://127.0.0.1:PORT/#token=…' npm run e2e
//
// It fails on defects that a user would notice, and on everything that browser.js checks.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'

import { ask, browser, drive, expected, origin, page, shot, step, total, url } from './browser.js'

await drive(async () => {
  await step('without a session there is nothing', async () => {
    const other = await browser.newContext()
    const stranger = await other.newPage()
    await stranger.goto(`${origin}/?q=Molenpad`)
    assert.match(await stranger.textContent('[role=alert]'), /No session\s*Open the link that the argus command printed, in this browser/)
    assert.equal(await stranger.locator('nav, .hits').count(), 0)
    await shot('no-session', stranger)
    await other.close()
  })

  await step('the link opens the store, once', async () => {
    await page.goto(url)
    await page.waitForURL(`${origin}/`)
    assert.ok((await total()) > 1000, 'the demonstration has more than 1,000 messages')
    assert.equal(await page.locator('.hits > li').count(), 40)
    await shot('search')
    const other = await browser.newContext()
    const stranger = await other.newPage()
    await stranger.goto(url)
    await stranger.waitForURL(`${origin}/`)
    assert.match(await stranger.textContent('[role=alert]'), /works once/)
    await other.close()
  })

  await step('two tabs work, and the link again in this browser', async () => {
    const second = await page.context().newPage()
    await second.goto(`${origin}/?q=Molenpad`)
    await second.waitForSelector('.hits > li')
    await second.goto(url) // the same document: only the part after # differs
    await second.waitForURL(`${origin}/`)
    await second.goto('about:blank')
    await second.goto(url)
    await second.waitForSelector('.hits > li')
    await page.reload()
    assert.ok((await total()) > 1000)
    await second.close()
  })

  await step('a page on another port of this machine gets nothing usable', async () => {
    const secret = await page.evaluate(() => localStorage.getItem(`session/${localStorage.getItem('actor')}`))
    assert.ok(secret.length >= 26)
    assert.deepEqual(await page.context().cookies(), [])
    const sent = []
    const neighbour = createServer((request, response) => {
      sent.push(JSON.stringify(request.headers))
      response.setHeader('Content-Type', 'text/html')
      response.end('<!doctype html><title>neighbour</title>')
    })
    await new Promise((ready) => neighbour.listen(0, '127.0.0.1', ready))
    const there = await page.context().newPage()
    // As in the reported attack, open the page and then reload it.
    await there.goto(`http://127.0.0.1:${neighbour.address().port}/`)
    await there.reload()
    const got = await there.evaluate(async (origin) => {
      const tried = {
        cookie: document.cookie,
        stored: JSON.stringify([{ ...localStorage }, { ...sessionStorage }, (await indexedDB.databases()).length]),
      }
      const read = async (name, path, init) => {
        tried[name] = await fetch(origin + path, init).then(async (r) => `${r.type} ${r.status} ${await r.text()}`, () => 'refused')
      }
      const search = { method: 'POST', body: '{"query":"*"}', credentials: 'include' }
      await read('search', '/api/search', { ...search, headers: { 'Content-Type': 'application/json' } })
      await read('search with a header', '/api/search', { ...search, headers: { 'X-Argus-Session': 'guess' } })
      await read('search without cors', '/api/search', { ...search, mode: 'no-cors' })
      await read('session', '/api/session', { credentials: 'include', mode: 'no-cors' })
      await read('open', '/api/open', { method: 'POST', credentials: 'include', mode: 'no-cors' })
      await read('the script', '/argus.js', { mode: 'no-cors' })
      const opened = open(`${origin}/`)
      const frame = document.body.appendChild(document.createElement('iframe'))
      const said = []
      addEventListener('message', (e) => said.push(String(e.data)))
      frame.src = `${origin}/`
      await new Promise((done) => setTimeout(done, 1000))
      for (const [name, w] of [['opened', opened], ['frame', frame.contentWindow]]) {
        try {
          w?.postMessage('session?', '*')
          tried[name] = String(w?.localStorage?.getItem('actor') ?? null)
        } catch {
          tried[name] = 'refused'
        }
      }
      await new Promise((done) => setTimeout(done, 200))
      return { ...tried, said: said.join() }
    }, origin)
    assert.deepEqual(got, {
      cookie: '', stored: '[{},{},0]', search: 'refused', 'search with a header': 'refused', 'search without cors': 'refused',
      session: 'refused', open: 'refused', 'the script': 'refused', opened: got.opened, frame: 'refused', said: '',
    })
    assert.match(got.opened, /^(null|refused)$/)
    assert.ok(sent.length >= 2)
    for (const headers of sent) assert.ok(!/cookie/.test(headers) && !headers.includes(secret), headers)
    for (const other of page.context().pages()) if (other !== page) await other.close()
    neighbour.close()
    // Without the header, every request is refused.
    for (const headers of [{}, { Cookie: `session=${secret}` }, { Authorization: `Bearer ${secret}` }]) {
      const replay = await fetch(`${origin}/api/search`, { method: 'POST', body: '{"query":"*"}', headers: { 'Content-Type': 'application/json', ...headers } })
      assert.equal(replay.status, 401)
      assert.equal(replay.headers.get('set-cookie'), null)
    }
  })

  await step('words are found and marked', async () => {
    await ask('loods')
    const n = await total()
    assert.ok(n > 0)
    const marks = await page.locator('.hits mark').allTextContents()
    assert.ok(marks.length > 0 && marks.every((m) => /loods/i.test(m)), `marks are ${marks.slice(0, 5)}`)
    await shot('found')
    await ask('loods -poort')
    assert.ok((await total()) <= n)
  })

  await step('a mistake in a query is pointed at', async () => {
    expected.push(/422/)
    await ask('loods is:lost')
    await page.waitForSelector('#wrong')
    assert.match(await page.textContent('#wrong pre b'), /lost/)
    await shot('wrong')
  })

  await step('a facet narrows the search, the back button widens it', async () => {
    await ask('')
    const all = await total()
    const facet = page.locator('aside section', { hasText: 'Service' }).locator('li button').first()
    await facet.click()
    await page.waitForURL(/service/)
    await page.waitForTimeout(50)
    const some = await total()
    assert.ok(some > 0 && some < all, `${some} of ${all}`)
    assert.equal(await facet.getAttribute('aria-pressed'), 'true')
    await page.goBack()
    await page.waitForTimeout(50)
    assert.equal(await total(), all)
  })

  await step('a value can be left out, of a query with alternatives', async () => {
    await ask('loods OR poort')
    const all = await total()
    const row = page.locator('aside section', { hasText: 'Sender' }).locator('li').first()
    const count = Number((await row.locator('.count').textContent()).replace(/\D/g, ''))
    await row.hover()
    await row.locator('button.without').click()
    await page.waitForURL(/-from/)
    await page.waitForTimeout(50)
    assert.match(await page.inputValue('#query'), /^\(loods OR poort\) -from:=/)
    assert.equal(await total(), all - count)
    await page.locator('aside section', { hasText: 'Without' }).locator('button').click()
    await page.waitForTimeout(200)
    assert.equal(await total(), all)
  })

  await step('a facet counts what narrowing to it finds', async () => {
    await ask('loods OR poort')
    for (const title of ['Sender', 'Conversation', 'Delivery']) {
      const row = page.locator('aside section', { hasText: title }).locator('li').first()
      const count = Number((await row.locator('.count').textContent()).replace(/\D/g, ''))
      await row.locator('button.narrow').click()
      await page.waitForFunction((a) => document.querySelector('#query').value !== a, 'loods OR poort')
      await page.waitForTimeout(200)
      assert.equal(await total(), count, `${title}: ${await page.inputValue('#query')}`)
      await ask('loods OR poort')
    }
    await ask('')
  })

  await step('the histogram narrows the time', async () => {
    const box = await page.locator('figure svg').first().boundingBox()
    await page.mouse.move(box.x + box.width * 0.3, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40)
    await shot('drag')
    await page.mouse.up()
    await page.waitForURL(/sent/)
    assert.match(await page.inputValue('#query'), /^sent:\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d$/)
    await page.waitForTimeout(50)
    assert.ok((await total()) > 0)
    await ask('')
  })

  await step('more hits are loaded', async () => {
    await page.click('text=Load more')
    await page.waitForFunction(() => document.querySelectorAll('.hits > li').length === 80)
    const refs = await page.locator('.hits .when a').evaluateAll((all) => all.map((a) => a.dataset.step))
    assert.equal(new Set(refs).size, 80, 'a message is there twice')
  })

  await step('a look asks once', async () => {
    await ask('rico')
    const asked = []
    const note = (r) => r.url().includes('/api/') && asked.push(new URL(r.url()).pathname.replace(/[0-9a-f]{32}/, 'ID'))
    page.on('request', note)
    await page.locator('.hits a').first().click()
    await page.waitForSelector('section[aria-label="Conversation"] [aria-current]')
    await page.click('role=tab[name="Trace"]')
    await page.waitForSelector('.trace article')
    await page.keyboard.press('Escape')
    await page.click('nav >> text=Ledger')
    await page.waitForSelector('tbody tr')
    await page.waitForTimeout(300)
    page.off('request', note)
    assert.deepEqual(asked, ['/api/conversation', '/api/messages/ID', '/api/ledger'])
    await page.click('nav >> text=Search')
  })

  await step('keys go through the hits and open one', async () => {
    await ask('Molenpad')
    await page.fill('#query', 'something else')
    await page.keyboard.press('Escape')
    assert.equal(await page.inputValue('#query'), 'Molenpad', 'the box does not say what was asked')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('k')
    await page.keyboard.press('Enter')
    await page.waitForSelector('section[aria-label="Conversation"] [aria-current]')
    await shot('conversation')
    const marked = page.locator('section[aria-label="Conversation"] [aria-current]')
    assert.match(await marked.first().textContent(), /Molenpad/)
  })

  await step('earlier and later messages follow', async () => {
    const list = page.locator('section[aria-label="Conversation"] .list')
    const before = await list.locator('.message').count()
    await list.locator('button.far').first().click()
    await page.waitForFunction((n) => document.querySelectorAll('section .list .message').length > n, before)
  })

  await step('the trace leads to the bytes', async () => {
    await page.click('role=tab[name="Trace"]')
    await page.waitForSelector('.trace .raw pre')
    const text = await page.textContent('.trace')
    for (const want of [/SHA-256\s*[0-9a-f]{64}/, /D-0001/, /record [\d,]+/, /bytes [\d,]+ to [\d,]+/, /reader jsonl\/\d/]) assert.match(text, want)
    await shot('trace')
    await page.click('.trace .raw button')
    assert.match(await page.textContent('.trace .raw pre'), /[0-9A-F]{8} {2}7B 22/)
    await page.keyboard.press('Escape')
    await page.waitForSelector('section[aria-label="Conversation"]', { state: 'detached' })
  })

  await step('text from right to left keeps its direction', async () => {
    await ask('السلام')
    const text = page.locator('.hits .text').first()
    assert.equal(await text.evaluate((e) => getComputedStyle(e).direction), 'rtl')
    await page.locator('.hits a').first().click()
    await page.waitForSelector('section[aria-label="Conversation"] [aria-current]')
    await shot('rtl')
    await page.keyboard.press('Escape')
  })

  await step('markup in a message stays text', async () => {
    await ask('/<(script|img)/')
    assert.ok((await total()) > 0, 'the demonstration has messages with markup in them')
    assert.match(await page.locator('.hits .text').first().textContent(), /<(script|img)/)
    assert.deepEqual(await page.evaluate(() => [...document.images].map((i) => i.src)), [`${origin}/argus.svg`])
    await ask('has:link')
    assert.equal(await page.locator('.hits .text a').count(), 0)
    await page.locator('.hits a').first().click()
    await page.waitForSelector('section[aria-label="Conversation"] [aria-current]')
    assert.deepEqual(await page.evaluate(() => [...document.images].map((i) => i.src)), [`${origin}/argus.svg`])
    await page.keyboard.press('Escape')
  })

  await step('times are shown in UTC or in the zone of the reader', async () => {
    await ask('on:2021-04-14')
    const clock = () => page.locator('.hits .clock').first().textContent()
    const hour = async () => Number((await clock()).slice(0, 2))
    const utc = await hour()
    const n = await total()
    await page.click('button:has-text("UTC")')
    await page.waitForTimeout(50)
    assert.ok((await total()) > 0 && n > 0)
    await ask('sent:2021-04-14T00:00Z..2021-04-14T23:59Z')
    assert.equal(await total(), n)
    assert.equal((utc + 2) % 24, await hour())
    await page.click('button:has-text("Local")')
  })

  await step('a message that is held locked and in clear is one bubble, with both versions a click away', async () => {
    await ask('is:differs -is:edited -is:deleted')
    assert.match(await page.textContent('.status'), /^\s*[\d,]+ messages found/)
    const row = page.locator('.hits > li', { hasText: 'also held locked · 2 versions' }).first()
    const said = (await row.locator('.text').textContent()).trim()
    const ref = await row.locator('.when a').getAttribute('data-step')
    await row.locator('.when a').click()
    const bubble = page.locator('section[aria-label="Conversation"] [aria-current]')
    await bubble.waitFor()
    assert.equal(await bubble.count(), 1)
    assert.equal(await page.locator(`section .list [data-step="${ref}"]`).count(), 1)
    assert.equal((await bubble.locator('.text').textContent()).trim(), said)
    assert.equal(await bubble.locator('.veil').count(), 0)
    await bubble.locator('text=also held locked · 2 versions').click()
    await page.waitForSelector('.versions .columns')
    assert.equal(await page.locator('.columns > li').count(), 2)
    assert.equal((await page.locator('.columns > li').nth(0).locator('.text').textContent()).trim(), said)
    assert.match(await page.locator('.columns > li').nth(1).textContent(), /locked.*encrypted.*D-0001/s)
    await shot('versions')
    await page.keyboard.press('Escape')
  })

  await step('locked messages are counted, and marked as locked', async () => {
    await ask('is:locked')
    assert.ok((await total()) > 0)
    assert.match(await page.locator('.hits > li').first().textContent(), /encrypted/)
    await shot('locked')
  })

  await step('receipts balance', async () => {
    await page.click('nav >> text=Deliveries')
    await page.waitForSelector('.sum')
    for (const sum of await page.locator('.sum').allTextContents()) {
      const [read, stored, seen, quarantined] = sum.match(/[\d,]+/g).map((n) => Number(n.replaceAll(',', '')))
      assert.equal(read, stored + seen + quarantined, sum)
    }
    await shot('deliveries')
    await page.locator('ol > li a').last().click()
    await page.waitForSelector('text=the account balances')
    assert.match(await page.textContent('main'), /no reader recognises the file/)
    assert.match(await page.textContent('.asks'), /attachments? (is|are) named but missing|only one side|show no gaps/)
    await shot('receipt')
  })

  await step('the ledger has every act', async () => {
    await page.click('nav >> text=Ledger')
    await page.waitForSelector('tbody tr')
    const acts = await page.textContent('tbody')
    for (const want of ['is:locked', 'receipt', 'show', 'Molenpad']) assert.ok(acts.includes(want), want)
    await shot('ledger')
  })

  await step('authority and purpose are chosen, and written down', async () => {
    await page.click('button.why')
    await page.fill('#asking input', 'onderzoek Kadé 9 🔎')
    await shot('asking')
    await page.click('text=Use these')
    await page.waitForFunction(() => document.querySelector('tbody')?.textContent.includes('onderzoek Kadé 9 🔎'))
  })

  await step('help opens and closes by key', async () => {
    await page.keyboard.press('?')
    await page.waitForSelector('dialog[open]')
    await shot('help')
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog[open]', { state: 'detached' })
    await page.keyboard.press('/')
    await page.waitForSelector('#query:focus')
  })

  await step('an address can be opened again', async () => {
    await page.goto(`${origin}/?q=Molenpad`)
    assert.equal(await page.inputValue('#query'), 'Molenpad')
    assert.ok((await total()) > 0)
  })

  for (const [name, size, colorScheme] of [
    ['phone', { width: 390, height: 844 }, 'light'],
    ['phone-dark', { width: 390, height: 844 }, 'dark'],
    ['small', { width: 320, height: 568 }, 'light'],
    ['desk-dark', { width: 1280, height: 800 }, 'dark'],
  ]) {
    await step(`everything fits: ${name}`, async () => {
      await page.setViewportSize(size)
      await page.emulateMedia({ colorScheme })
      for (const [view, path] of [
        ['search', '/'],
        ['deliveries', '/?page=deliveries'],
        ['receipt', '/?page=deliveries&delivery=D-0006'],
        ['ledger', '/?page=ledger'],
        ['law', '/?page=law'],
        ['conversation', '/?q=Molenpad'],
      ]) {
        await page.goto(origin + path)
        await page.waitForSelector(view === 'deliveries' ? '.sum' : view === 'law' ? 'main li.card' : view === 'receipt' || view === 'ledger' ? 'tbody tr' : '.hits > li')
        if (view === 'conversation') {
          await page.locator('.hits a').first().click()
          await page.waitForSelector('section[aria-label="Conversation"] [aria-current]')
          await shot(`${name}-${view}`)
          await page.click('role=tab[name="Trace"]')
          await page.waitForSelector('.trace article')
          await shot(`${name}-trace`)
          await page.keyboard.press('v')
          await page.waitForSelector('.versions .columns')
          await shot(`${name}-versions`)
        } else await shot(`${name}-${view}`)
        await page.waitForTimeout(50)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.ok(wide <= 0, `${view} is ${wide} pixels too wide`)
        const names = await page.$$eval('header button, header a, .names text', (all) =>
          all.map((e) => [e.textContent, e.getBoundingClientRect()]).filter(([, b]) => b.width).map(([t, b]) => [t, b.left, b.right, b.top]))
        assert.deepEqual(await page.$$eval('header button', (all) => all.filter((b) => b.scrollWidth > b.clientWidth).map((b) => b.textContent)), [], 'buttons are too small')
        for (const [i, [name, left, , top]] of names.entries()) {
          for (const [before, from, to, at] of names.slice(0, i)) {
            assert.ok(at !== top || left >= to - 1 || from >= left, `${view}: ${before} covers ${name}`)
          }
        }
      }
    })
  }
})
