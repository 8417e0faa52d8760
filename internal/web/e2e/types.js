// Drives the interface of a store with messages of all types, some of them held in
// copies that differ, and with three authorities (typesStore in
// cmd/argus/browser_types_test.go).
import assert from 'node:assert/strict'

import { ask, drive, origin, page, shot, step, total, url } from './browser.js'

await drive(async () => {
  const panel = 'section[aria-label="Conversation"]'
  const line = async () => (await page.textContent('.status p')).replace(/\s+/g, ' ').trim()
  const openFirst = async (query) => {
    await ask(query)
    await page.locator('.hits .when a').first().click()
    await page.waitForSelector(`${panel} [aria-current]`)
  }
  const under = async (authority) => {
    await page.click('button.why')
    await page.selectOption('#asking select', authority)
    await page.click('text=Use these')
    await page.waitForFunction((a) => document.querySelector('button.why b').textContent === a, authority)
  }

  await step('messages are counted, and every other type separately', async () => {
    await page.goto(url)
    await page.waitForURL(`${origin}/`)
    assert.equal(await total(), 18)
    assert.equal(await line(), '7 messages, 2 calls, 1 contact, 1 room, 1 membership change, 1 reaction, 1 location, 1 device, 1 draft, 1 notice, 1 note ' +
      'in the scope of A-0001 · the copies of 3 differ, show them')
    await shot('types')
  })

  await step('a count narrows to its type, and the facet says so', async () => {
    await page.click('.counted button:has-text("calls")')
    await page.waitForURL(/is%3Acall/)
    await page.waitForTimeout(50)
    assert.equal(await total(), 2)
    assert.equal(await line(), '2 calls found')
    const facet = page.locator('aside section', { hasText: 'Type' }).locator('button', { hasText: 'call' })
    assert.equal(await facet.getAttribute('aria-pressed'), 'true')
    await facet.click()
    await page.waitForTimeout(50)
    assert.equal(await total(), 18)
    await ask('is:message')
    assert.equal(await line(), '7 messages found · the copies of 3 differ, show them')
  })

  await step('a type has its label, and its facts in fields', async () => {
    await ask('is:call sent:2021-02-14T12:05')
    const hit = page.locator('.hits > li').first()
    assert.match(await hit.locator('.badges').textContent(), /call/)
    const fields = await hit.locator('dl div').allTextContents()
    assert.deepEqual(fields.map((f) => f.replace(/\s+/g, ' ').trim()), ['call outgoing', 'answered yes', 'lasted 2 min 5 s', 'in the call U1, U2'])
    await ask('is:contact')
    assert.match(await page.locator('.hits dl').first().textContent(), /name\s*Bob, بوب\s*account\s*U2, \+31612345678/)
  })

  await step('a hit is opened by a click on it, and its text can be selected', async () => {
    await ask('kilos')
    const box = await page.locator('.hits .text').first().boundingBox()
    const y = box.y + box.height / 2
    await page.mouse.move(box.x + 2, y)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width - 2, y, { steps: 5 })
    await page.mouse.up()
    assert.match(await page.evaluate(() => String(getSelection())), /kilos at the old dock/)
    assert.equal(await page.locator(panel).count(), 0)
    await page.mouse.click(box.x + 2, box.y - 12)
    await page.waitForSelector(panel)
    await page.keyboard.press('Escape')
  })

  await step('a message is one bubble, even if there are several copies', async () => {
    await openFirst('kilos')
    const bubbles = page.locator(`${panel} .message`)
    for (const [text, note] of [['kilos', '2 versions'], ['tomorrow at ten', 'also held locked · 2 versions'], ['said once', null]]) {
      const one = bubbles.filter({ hasText: text })
      assert.equal(await one.count(), 1, text)
      assert.equal(await one.locator('p:has(> a[href*="tab=versions"])').count(), note ? 1 : 0, text)
      if (note) assert.equal((await one.locator('a[href*="tab=versions"]').textContent()).trim(), note)
    }
    assert.equal(await page.locator(`${panel} .veil`).count(), 0, 'the locked copy is a bubble of its own')
    assert.match(await page.textContent(`${panel} header`), /7 messages, 2 calls, 1 contact/)
    assert.equal(await page.locator(`${panel} .aside`, { hasText: 'U1 added U3' }).count(), 1)
    await shot('types-conversation')
  })

  const columns = page.locator('.versions .columns > li')
  await step('versions are side by side, differences are marked, each has its sightings', async () => {
    await page.locator(`${panel} .message`, { hasText: 'kilos' }).locator('a[href*="tab=versions"]').click()
    await columns.first().waitFor()
    assert.equal(await columns.count(), 2)
    assert.deepEqual(await columns.nth(0).locator('mark').allTextContents(), ['five', 'red'])
    assert.deepEqual(await columns.nth(1).locator('mark').allTextContents(), ['nine', 'blue'])
    assert.match(await page.textContent('.versions'), /One message, 2 versions, 2 sightings\.\s+Its copies differ in: text, state\./)
    assert.match(await columns.nth(0).locator('ul').textContent(), /D-0001\s+server\.txt/)
    assert.match(await columns.nth(1).locator('ul').textContent(), /D-0002\s+phone of Ann\.txt/)
    const [a, b] = [await columns.nth(0).boundingBox(), await columns.nth(1).boundingBox()]
    assert.ok(a.y === b.y && b.x >= a.x + a.width, 'they are not side by side')
    await shot('types-versions')
    await page.setViewportSize({ width: 390, height: 844 })
    const [c, d] = [await columns.nth(0).boundingBox(), await columns.nth(1).boundingBox()]
    assert.ok(c.x === d.x && d.y >= c.y + c.height, 'they are not below each other')
    await shot('types-versions-phone')
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.keyboard.press('Escape')
  })

  await step('keys lead to versions and trace', async () => {
    await ask('القديم')
    await page.keyboard.press('Escape')
    await page.keyboard.press('j')
    await page.keyboard.press('v')
    await columns.first().waitFor()
    for (const i of [0, 1]) assert.equal(await columns.nth(i).locator('.text').evaluate((e) => getComputedStyle(e).direction), 'rtl')
    await shot('types-versions-rtl')
    await page.keyboard.press('t')
    await page.waitForSelector('.trace article')
    await page.keyboard.press('Escape')
    await openFirst('kilos')
    await page.keyboard.press('j')
    assert.ok(await page.evaluate((p) => document.activeElement.closest(p) !== null, panel), 'j leaves the open conversation')
    await page.keyboard.press('Escape')
  })

  await step('the trace shows the statements in which a copy differs', async () => {
    await ask('kilos')
    await page.locator('.hits .when a').first().focus()
    await page.keyboard.press('t')
    await page.waitForSelector('.trace article')
    const articles = page.locator('.trace article')
    assert.match(await page.textContent('.trace section'), /To\s*U2, U3/)
    assert.match(await articles.nth(0).locator('.own').textContent(), /this copy states:\s*To\s*U2\s*$/)
    assert.equal(await articles.nth(1).locator('.own').count(), 0)
    await page.keyboard.press('Escape')
    await ask('everywhere')
    await page.locator('.hits .when a').first().focus()
    await page.keyboard.press('t')
    await page.waitForSelector('.trace article')
    assert.match(await page.textContent('.trace section'), /Other copy sent\s*2021-02-14 12:02:57, clock of the sender/)
    assert.match(await page.textContent('.trace'), /2 times, always the same/)
    assert.match(await page.textContent('.trace article'), /this copy's own id [0-9a-f]{32}/)
    await shot('types-trace')
    await page.keyboard.press('Escape')
  })

  await step('markup stays text, and a clock of unknown zone has its mark', async () => {
    await ask('clock vouched')
    assert.equal(await page.locator('.hits .text b').count(), 0)
    assert.match(await page.locator('.hits .text').first().textContent(), /<b>by a clock<\/b>/)
    assert.equal((await page.locator('.hits .clock').first().textContent()).trim(), '12:20?')
  })

  await step('an attachment is named, but neither loaded nor linked', async () => {
    await openFirst('has:attachment')
    const bubble = page.locator(`${panel} [aria-current]`)
    assert.match(await bubble.textContent(), /dock\.jpg/)
    assert.equal(await bubble.locator('img, object, iframe, a[href*="dock"], a[download]').count(), 0)
    await shot('types-attachment')
    await page.setViewportSize({ width: 390, height: 844 })
    await shot('types-attachment-phone')
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.keyboard.press('Escape')
  })

  await step('a name that was seen under another authority is forgotten', async () => {
    const to = async () => (await page.locator('.hits .to').first().textContent()).trim()
    await ask('القديم')
    assert.equal(await to(), 'Bob')
    await under('A-0003')
    await page.waitForTimeout(50)
    await page.waitForSelector('.columns[aria-busy="false"]')
    assert.equal(await to(), 'U2', 'no message of U2 is in the scope')
  })

  await step('bytes outside the scope are not shown', async () => {
    await openFirst('five')
    await page.keyboard.press('t')
    await page.waitForSelector('.trace article')
    assert.match(await page.locator('.trace article').first().textContent(), /raw record withheld: it holds something outside the scope/)
    assert.doesNotMatch(await page.textContent('.trace'), /tomorrow at ten/)
    await shot('types-withheld')
    await page.keyboard.press('Escape')
  })

  await step('a limited delivery says that its other counts are withheld', async () => {
    await page.click('nav >> text=Deliveries')
    await page.waitForSelector('text=covered only in part')
    await under('A-0002')
    await page.waitForSelector('.sum')
    assert.equal((await page.textContent('.sum')).replace(/\s+/g, ' ').trim(), '18 read, 0 quarantined · its other counts are withheld under this authority')
    await shot('types-limited')
    await page.click('ol > li a')
    await page.waitForSelector('.account')
    const receipt = await page.textContent('main')
    assert.match(receipt, /The other counts are withheld/)
    assert.doesNotMatch(receipt, /stored|sightings|balances/i)
    await shot('types-limited-receipt')
  })
})
