import { isIP, type BlockList } from 'node:net'

/** Adds an address or a range such as `10.0.0.0/8`. Throws for what is neither. */
export function addRange(list: BlockList, range: string): void {
  const [address = '', bits] = range.split('/')
  const version = isIP(address)
  if (version === 0) throw new Error(`${range} is not an address`)
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
}
