import { expect, test } from 'vitest'
import { agentsOf, chooseAgent } from '../../realtime/agents/agent-settings.ts'

const ids = (preferences: Parameters<typeof agentsOf>[0], model?: string) =>
  agentsOf(preferences, model).map(({ id }) => id)

test('the demo agent is always listed, after a configured assistant', () => {
  expect(ids({})).toEqual(['demo'])
  expect(ids({}, 'gpt')).toEqual(['assistant', 'demo'])
})

test('a user’s own agents follow in order of name and use the assistant’s model unless they set another', () => {
  const agent_settings = {
    b: { name: 'Zoe', instructions: 'Rhyme.', temperature: 1.5 },
    a: { name: 'Adam', model: 'big', description: 'Knows much' },
    d: { name: 'Dora', provider: 'demo', model: 'big' },
  }
  const [, , adam, dora, zoe] = agentsOf({ agent_settings }, 'gpt')
  expect(adam).toEqual({
    id: 'a',
    name: 'Adam',
    description: 'Knows much',
    model: 'big',
    instructions: '',
    provider: 'assistant',
  })
  expect(dora).toMatchObject({ id: 'd', model: 'demo', provider: 'demo' })
  expect(zoe).toMatchObject({ id: 'b', model: 'gpt', instructions: 'Rhyme.', temperature: 1.5 })
})

test('a user’s settings override those of a built-in agent', () => {
  const agent_settings = { assistant: { name: 'Ada', instructions: 'Be kind.', model: '' } }
  expect(agentsOf({ agent_settings }, 'gpt')[0]).toMatchObject({
    id: 'assistant',
    name: 'Ada',
    instructions: 'Be kind.',
    model: 'gpt',
  })
})

test('without an assistant every agent uses the demo provider', () => {
  expect(
    agentsOf(
      { agent_settings: { a: { name: 'A', provider: 'assistant', model: 'big' } } },
      undefined,
    )[1],
  ).toMatchObject({ provider: 'demo', model: 'demo' })
})

test('unexpected values count as left out, and no setting can name an address', () => {
  const agent_settings = {
    a: { name: 7, temperature: 'hot', base_url: 'http://10.0.0.7', provider: 'http://10.0.0.7' },
    b: 'no',
    c: null,
  }
  const agents = agentsOf({ agent_settings }, 'gpt')
  expect(agents).toHaveLength(3)
  expect(agents[2]).toEqual({
    id: 'a',
    name: 'Unnamed agent',
    description: '',
    model: 'gpt',
    instructions: '',
    provider: 'assistant',
  })
  for (const broken of ['text', 7, null, []])
    expect(ids({ agent_settings: broken }, 'gpt')).toEqual(['assistant', 'demo'])
})

test('the named agent answers, else the default agent, else the first; an unknown id finds none', () => {
  const preferences = { default_agent: 'demo' }
  const agents = agentsOf(preferences, 'gpt')
  expect(chooseAgent(agents, preferences, undefined)?.id).toBe('demo')
  expect(chooseAgent(agents, preferences, 'assistant')?.id).toBe('assistant')
  expect(chooseAgent(agents, { default_agent: 'gone' }, undefined)?.id).toBe('assistant')
  expect(chooseAgent(agents, preferences, 'gone')).toBeUndefined()
})
