// Plays the roles of a running `argus demo --feed 0`:
//
//   ARGUS_URL='http://127.0.0.1:PORT/#token=…' node e2e/roles.js
import assert from 'node:assert/strict'

import { ask, drive, expected, origin, page, shot, step, total, url } from './browser.js'

await drive(async () => {
  expected.push(/status of 403/)
  const people = async () => {
    await page.click('button.why')
    const names = await page.locator('#asking select').first().locator('option:not([disabled])').allTextContents()
    await page.keyboard.press('Escape')
    return names.map((n) => n.trim())
  }
  const play = async (role) => {
    await page.click('button.why')
    const list = page.locator('#asking select').first()
    const value = await list.locator('option', { hasText: new RegExp(`· ${role}$`) }).getAttribute('value')
    await list.selectOption(value)
    await page.waitForFunction((a) => sessionStorage.getItem('actor') === a && document.querySelector('button.why b'), value)
    await page.click('button.why')
    assert.match(await page.textContent('#asking p'), new RegExp(role))
    await page.keyboard.press('Escape')
  }
  const everywhere = async (name, to) => {
    for (const [size, colorScheme] of [[{ width: 1280, height: 800 }, 'light'], [{ width: 1280, height: 800 }, 'dark'], [{ width: 390, height: 844 }, 'light'], [{ width: 390, height: 844 }, 'dark']]) {
      await page.setViewportSize(size)
      await page.emulateMedia({ colorScheme })
      await to?.()
      await shot(`roles-${name}-${size.width}-${colorScheme}`)
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${name} is too wide at ${size.width}`)
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: 'light' })
  }

  let all
  await step('the page opens as the analyst, who can play eleven others', async () => {
    await page.goto(url)
    await page.waitForURL(`${origin}/`)
    all = await total()
    assert.ok(all > 1000)
    assert.equal((await people()).length, 11)
    await page.click('button.why')
    await everywhere('switch')
    await page.keyboard.press('Escape')
  })

  await step('the investigator, the threat desk and the defence find less, each something else', async () => {
    const found = new Set([all])
    for (const role of ['investigator', 'threat-desk', 'defence']) {
      await play(role)
      const n = await total()
      assert.ok(n > 0 && n < all && !found.has(n), `${role} finds ${n} of ${all}`)
      found.add(n)
    }
    const deliveries = (await page.textContent('aside')).match(/D-\d+/g)
    assert.deepEqual([...new Set(deliveries)], ['D-0003'], 'the defence sees its delivery only')
  })

  await step('nothing of the one before stays on the page', async () => {
    await ask('delivery:D-0003')
    await play('investigator')
    await page.waitForSelector('.columns[aria-busy="false"]')
    assert.equal(await page.inputValue('#query'), '')
  })

  await step('whoever may read nothing is told why', async () => {
    for (const role of ['custodian', 'liaison', 'partner', 'privilege-officer']) {
      await play(role)
      await page.waitForSelector('[role=alert]')
      assert.equal(await page.locator('.hits > li').count(), 0)
      assert.match(await page.textContent('[role=alert]'), role === 'custodian' ? /does not allow this, only ingest/ : /was revoked|no authority/i, role)
    }
    await everywhere('refused')
  })

  const acts = async () => {
    await page.click('nav >> text=Ledger')
    await page.waitForSelector('tbody tr')
    return page.textContent('main')
  }
  await step('the analyst sees the acts of her authority, the overseer all acts without their words', async () => {
    await play('analyst')
    await ask('Molenpad')
    const own = await acts()
    assert.match(own, /The acts under A-0004/)
    assert.match(own, /Molenpad/)
    assert.doesNotMatch(own, /Dora|dora|people\.add/)
    await play('overseer')
    const all = await acts()
    assert.match(all, /The acts of everybody/)
    for (const want of ['anna', 'dora', 'people.add', 'ledger.oversee', 'words withheld', 'averting threats to life']) assert.ok(all.includes(want), want)
    assert.doesNotMatch(all, /Molenpad|delivery:D-0003/)
    await everywhere('oversight', () => page.waitForSelector('tbody tr'))
  })

  await step('the judge suspends an authority, and its holder is cut off', async () => {
    await play('investigator')
    await page.click('nav >> text=Law')
    const own = page.locator('main li.card')
    await own.first().waitFor()
    assert.match(await page.textContent('main'), /in force[\s\S]*its service is "sky"/)
    assert.doesNotMatch(await page.textContent('main'), /Threats to life|Omar Haddad/)
    assert.equal(await page.locator('main button').count(), 0, 'the investigator can change nothing')
    await play('judge')
    await page.click('nav >> text=Law')
    const order = page.locator('li[aria-label="A-0005"]')
    await order.waitFor()
    await page.locator('.people li').first().waitFor() // the people come in an answer of their own
    assert.equal(await page.locator('.people li').count(), 12)
    await everywhere('law')
    await order.locator('text=suspend').click()
    await order.locator('input').fill('appeal 3 is pending')
    await shot('roles-suspend')
    await order.locator('text=suspend A-0005').click()
    await order.locator('.badge', { hasText: 'suspended' }).waitFor()
    await page.fill('form.preview input', 'delivery:D-0003')
    await page.click('text=Preview >> nth=-1')
    await page.waitForSelector('form.preview li')
    assert.match(await page.textContent('form.preview'), /it was found in the delivery D-0003/)
    assert.equal(await page.locator('form.preview li').count(), 10)
    await everywhere('preview')
    await play('investigator')
    await page.waitForSelector('[role=alert]')
    assert.match(await page.textContent('[role=alert]'), /A-0005 (is|has been) suspended since .* \(appeal 3 is pending\)/)
    await play('judge')
    await page.click('nav >> text=Law')
    await order.locator('text=resume').click()
    await order.locator('input').fill('the appeal was dismissed')
    await order.locator('text=resume A-0005').click()
    await order.locator('.badge', { hasText: 'in force' }).waitFor()
    await play('investigator')
    assert.ok((await total()) > 0)
  })

  await step('the judge reads the words of all but the defence', async () => {
    await play('defence')
    await ask('confidential')
    await play('judge')
    assert.doesNotMatch(await acts(), /Molenpad/)
    await page.check('text=Oversee the acts of everybody')
    await page.waitForSelector('tbody >> text=Molenpad')
    assert.doesNotMatch(await page.textContent('tbody'), /confidential/)
  })
})
