// What the accessibility tree of a page offers to press: each control with the place it is in.
import type { CDPSession, Locator, Page } from 'playwright-core'

export interface Control {
  /**
   * The nearest named part of the page and the control in it, for example
   * `menu "Account" > menuitem "Sign out"`.
   */
  path: string
  isDisabled: boolean
  backendNodeId: number
}

interface TreeNode {
  nodeId: string
  parentId?: string
  backendDOMNodeId?: number
  ignored: boolean
  role?: { value: string }
  name?: { value: string }
  properties?: { name: string; value: { value?: unknown } }[]
}

/** The roles of what acts when it is pressed or chosen, in Chromium's words. */
const acting = new Set([
  'button',
  'checkbox',
  'combobox',
  'DisclosureTriangle',
  'link',
  'menuitem',
  'menuitemcheckbox',
  'menuitemradio',
  'option',
  'PopUpButton',
  'radio',
  'searchbox',
  'slider',
  'switch',
  'tab',
])

/** The roles of places, from which a person knows what a control is about. */
const places = new Set([
  'alertdialog',
  'article',
  'banner',
  'complementary',
  'contentinfo',
  'dialog',
  'listbox',
  'main',
  'menu',
  'navigation',
  'radiogroup',
  'region',
  'status',
])

const mark = 'data-control-of-test'

export class AccessibilityTree {
  readonly #page: Page
  readonly #session: Promise<CDPSession>

  constructor(page: Page) {
    this.#page = page
    this.#session = page.context().newCDPSession(page)
  }

  /** Everything that can be pressed now, in the order of the tree. */
  async controls(): Promise<Control[]> {
    const session = await this.#session
    const { nodes } = (await session.send('Accessibility.getFullAXTree')) as { nodes: TreeNode[] }
    const byId = new Map(nodes.map((node) => [node.nodeId, node]))
    return nodes.flatMap((node) => {
      const { backendDOMNodeId, properties = [] } = node
      if (node.ignored || !acting.has(roleOf(node)) || backendDOMNodeId === undefined) return []
      const ancestors = ancestorsOf(node, byId)
      // The choices of a closed `select` belong to it.
      if (ancestors.some((ancestor) => roleOf(ancestor) === 'combobox')) return []
      const place = ancestors.find((ancestor) => places.has(roleOf(ancestor)))
      const path = place ? `${titleOf(place)} > ${titleOf(node)}` : titleOf(node)
      const isDisabled = properties.some(
        ({ name, value }) => name === 'disabled' && value.value === true,
      )
      return [{ path, isDisabled, backendNodeId: backendDOMNodeId }]
    })
  }

  /** The very element of a control. It is valid until the next call. */
  async locate({ backendNodeId }: Control): Promise<Locator> {
    const session = await this.#session
    const { object } = await session.send('DOM.resolveNode', { backendNodeId })
    await session.send('Runtime.callFunctionOn', {
      objectId: object.objectId!,
      functionDeclaration: `function (mark) {
        globalThis.marked?.removeAttribute(mark)
        globalThis.marked = this
        this.setAttribute(mark, '')
      }`,
      arguments: [{ value: mark }],
    })
    return this.#page.locator(`[${mark}]`)
  }
}

const roleOf = ({ role }: TreeNode): string => role?.value ?? ''

const titleOf = (node: TreeNode): string =>
  node.name?.value ? `${roleOf(node)} "${node.name.value}"` : roleOf(node)

/** The ancestors that assistive technology knows, innermost first. */
function ancestorsOf(node: TreeNode, byId: ReadonlyMap<string, TreeNode>): TreeNode[] {
  const ancestors: TreeNode[] = []
  const parentOf = ({ parentId }: TreeNode) =>
    parentId === undefined ? undefined : byId.get(parentId)
  for (let at = parentOf(node); at; at = parentOf(at)) if (!at.ignored) ancestors.push(at)
  return ancestors
}
