// What an import takes out of texts, what it puts into them, and where it cuts them.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'
import { withoutMarkers } from '../../realtime/imports/parsing/citation-markers.ts'
import { labelOf } from '../../realtime/imports/parsing/message-labels.ts'
import { toMetadata } from '@lockstep/imports/parsing/metadata'
import { linksIn } from '../../realtime/imports/parsing/source-links.ts'
import { separateThinking } from '../../realtime/imports/parsing/thinking-text.ts'
import { fitText } from '../../realtime/imports/reading/long-texts.ts'

const details = (attributes: string, inner: string) =>
  `<details ${attributes}>\n${inner}\n</details>`

describe('thinking in a text', () => {
  test.each<[text: string, thinking: string[], answer: string, ms?: number]>([
    ['<think>a\nb</think>\n\nc', ['a\nb'], 'c'],
    ['  <think>\na\n</think>c', ['a'], 'c'],
    ['<think>a</think><think>b</think>c', ['a', 'b'], 'c'],
    ['first\n<think>a</think>\nsecond', ['a'], 'first\n\nsecond'],
    ['<think>never closed', ['never closed'], ''],
    ['<think>\n\n</think>\n\nc', [], 'c'],
    ['<think></think>', [], '<think></think>'],
    ['<think>', [], '<think>'],
    ['<thinking>a</thinking>\nb', ['a'], 'b'],
    ['[THINK]a[/THINK]b', ['a'], 'b'],
    ['a\n</thinking>\nb', ['a'], 'b'],
    [
      '<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b',
      ['a'],
      'b',
    ],
    ['a\n\n</think>\nc', ['a'], 'c'],
    [':::thinking\na\n:::\nc', ['a'], 'c'],
    [
      details('type="reasoning"', '<summary>x</summary>\n&gt; a &lt;b&gt;\n> c') + 'd',
      ['a <b>\nc'],
      'd',
    ],
    [details('done="true" duration="1.5" type=\'reasoning\'', 'a') + 'b', ['a'], 'b', 1_500],
    [
      `x\n${details('type="reasoning" duration="1"', '&gt; a')}\ny\n${details('duration="2" type="reasoning"', '&#62; &#x62;')}\nz`,
      ['a', 'b'],
      'x\n\ny\n\nz',
      3_000,
    ],
    [details('type="reasoning" done="false"', 'a').replace('\n</details>', ''), ['a'], ''],
  ])('%j', (text, thinking, answer, ms) => {
    const found = separateThinking(text)
    expect(found.thinking).toEqual(thinking)
    expect(found.text).toBe(answer)
    expect(found.ms).toBe(ms)
  })

  test.each([
    'The tag `<think>` begins it, `</think>` ends it.',
    'A <think> within a sentence </think>.',
    '```\n<think>\ncode\n</think>\n```',
    '```\n</think>\n```\nThat was code.',
    '~~~html\n<details type="reasoning">x</details>\n~~~',
    'Write `<details type="reasoning">` for it.',
    '<details><summary>More</summary>the author’s own</details>',
    '<details type="tool_calls" name="x">x</details>',
    'first\n<think>never closed',
    'Write <thinking>, then </thinking> after it.',
    '```\n[/THINK]\n```\nThat was code.',
    'no :::thinking here',
  ])('%j is text like any other', (text) => {
    expect(separateThinking(text)).toEqual({ text, thinking: [], ms: undefined })
  })

  test('takes linear time, whatever the text repeats', () => {
    for (const part of [
      '<think>',
      '</think>\n',
      '\n<think>',
      '<details type="reasoning">',
      '`',
      ':::thinking\n',
      '&#',
      '<details ',
    ]) {
      const started = process.cpuUsage()
      separateThinking(part.repeat(400_000 / part.length))
      const { user } = process.cpuUsage(started)
      expect(user, part).toBeLessThan(1_500_000)
    }
  })
})

describe('citation markers', () => {
  test.each([
    ['a \ue200cite\ue202turn0search3\ue202turn1view0\ue201.', 'a.'],
    ['\ue200filecite\ue202turn0file1\ue202L10-L20\ue201end', 'end'],
    ['see \ue200url\ue202the guide\ue202turn0search1\ue201.', 'see the guide.'],
    ['\ue200entity\ue202["tree","Quercus robur",0]\ue201 grows', 'Quercus robur grows'],
    ['\ue200product_entity\ue202["turn0product3","Red kettle"]\ue201', 'Red kettle'],
    ['\ue200navlist\ue202More news\ue202turn0news1,turn0news2\ue201', 'More news'],
    ['x \ue200image_group\ue202{"query":["oak"]}\ue201y', 'xy'],
    ['x \ue200i\ue202turn0image0\ue202turn0image4\ue201', 'x'],
    ['\ue203It rained.\ue204\ue200cite\ue202turn0search0\ue201', 'It rained.'],
    ['It rained \ue202turn0search0 and more', 'It rained and more'],
    ['cut off \ue200cite\ue202turn0search3', 'cut off'],
    ['cut \ue200cite\ue202turn0search3\ue200url\ue202words\ue202turn0search1\ue201', 'cutwords'],
    ['a\ue205b\ue206c', 'abc'],
    ['Oaks live long 【12†source】. Very 【4:0†guide.pdf】', 'Oaks live long. Very'],
    ['Oaks :contentReference[oaicite:3]{index=3}live', 'Oakslive'],
    ['【12】 and 【note† more】 stay', '【12】 and 【note† more】 stay'],
  ])('%j', (text, expected) => {
    expect(withoutMarkers(text).text).toBe(expected)
  })

  test('leave neither themselves nor the names of sources, whatever they are made of', () => {
    const part = fc.constantFrom(
      '\ue200',
      '\ue201',
      '\ue202',
      '\ue203',
      '\ue204',
      'cite',
      'turn0search3',
      'words',
      ' ',
      '["a","b"]',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const { text } = withoutMarkers(parts.join(''))
        expect(text).not.toMatch(/[\ue200-\ue206]/)
      }),
    )
  })
})

describe('secrets', () => {
  const secrets = {
    apiKey: 'k1',
    meta: { llmApiKey: 'k2', list: [{ OPENAI_API_KEY: 'k3' }] },
    headers: { Authorization: 'Bearer k4' },
    env: { GITHUB_TOKEN: 'k5-0123456789abcdef', password: 'k6' },
    text: '{"server":{"client_secret":"k7"},"port":1}',
  }

  test('are named and stored nowhere, at any depth and in JSON texts', () => {
    const metadata = toMetadata({}, { ...secrets, locale: 'en' })
    expect(JSON.stringify(metadata)).not.toMatch(/k\d/)
    expect(metadata.locale).toBe('en')
    expect(metadata.text).toBe('{"server":{},"port":1}')
    expect(metadata.not_imported).toEqual([
      'apiKey (secret)',
      'meta.llmApiKey (secret)',
      'meta.list[].OPENAI_API_KEY (secret)',
      'headers.Authorization (secret)',
      'env.GITHUB_TOKEN (secret)',
      'env.password (secret)',
      'text.server.client_secret (secret)',
    ])
  })

  test('are not fields whose names only look like those of secrets', () => {
    const fields = { max_tokens: 5, token: 'the', hasApiKey: true, keys: ['a'], tokenCount: 3 }
    expect(toMetadata({}, fields)).toEqual(fields)
  })
})

describe('a text that is too long for a message', () => {
  test('is cut between characters, at lines and words if there are any, and loses nothing', () => {
    const unit = fc.constantFrom('a', 'ü', '€', '😀', '👩‍👩‍👧‍👦', 'e\u0301', '\n', ' ')
    fc.assert(
      fc.property(
        fc.array(unit, { minLength: 1, maxLength: 30 }),
        fc.boolean(),
        (units, hasSpace) => {
          const piece = units.filter((each) => hasSpace || each.trim() !== '').join('') || 'x'
          const text = piece.repeat(Math.ceil((limits.messageBytes * 1.5) / byteLength(piece)))
          const { pieces, lost } = fitText(text)
          expect(lost).toEqual([])
          if (text.trim() !== '') expect(pieces.join('').trim()).toBe(text.trim())
          for (const each of pieces) {
            expect(byteLength(each)).toBeLessThanOrEqual(limits.messageBytes)
            expect(each.isWellFormed()).toBe(true)
            expect(each).not.toMatch(/^[\u0301\u200d]/)
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  test('loses the pictures in it, which are named', () => {
    const picture = `data:image/png;base64,${'A'.repeat(300_000)}`
    const { pieces, lost } = fitText(`before ![x](${picture}) after`)
    expect(pieces).toEqual(['before ![x](data:image/png,) after'])
    expect(lost).toEqual(['1 × image/png in the content (text), 300022 characters'])
  })
})

test.each<[things: unknown[], label: string | undefined]>([
  [[], undefined],
  [
    [
      { type: 'tool_use', name: 'web_search' },
      { type: 'tool_result', name: 'web_search' },
    ],
    '[Tool: web_search]',
  ],
  [[{ type: 'tool_call', tool_call: { name: 'bash' } }], '[Tool: bash]'],
  [[{ content_type: 'image_asset_pointer', asset_pointer: 'x' }], '[Image]'],
  [
    [{ file_name: 'a.pdf' }, { name: 'b.png', mimeType: 'image/png' }],
    '[File: a.pdf] [Image: b.png]',
  ],
  [['text', null], undefined],
  [[{ type: 'tool_use', name: 'draw' }, { type: 'token_budget' }], '[Tool: draw]'],
  [[{ type: 'flag', helpline: { name: 'Help' } }], '[flag: Help]'],
])('a message with %j says %j', (things, label) => {
  expect(labelOf(things)).toBe(label)
})

test('sources are found wherever they are, once, and only with addresses of the web', () => {
  const links = linksIn([
    {
      items: [
        { title: 'A', url: 'https://a.example/' },
        { url: 'javascript:alert(1)', title: 'B' },
      ],
    },
    { details: { url: 'https://a.example/' } },
    {
      source: { name: 'C', url: 'http://c.example/x y' },
      metadata: [{ source: 'http://c.example/' }],
    },
    { type: 'file', name: 'notes.pdf' },
  ])
  expect(links).toEqual([
    { url: 'https://a.example/', title: 'A' },
    { url: 'http://c.example/' },
    { title: 'notes.pdf' },
  ])
})
