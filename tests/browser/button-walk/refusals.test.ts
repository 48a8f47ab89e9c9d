import { walkParts } from './walk-parts.ts'

walkParts('refusals')
