// Shows the page's English texts to code that runs without the page. Import it for its effect.
import { showLanguage } from '../../ui/src/lib/texts.ts'
import english from '../../ui/texts/en.json' with { type: 'json' }
import { compileCatalogue } from '../../tools/vite-texts.ts'

await showLanguage('en', () => Promise.resolve(compileCatalogue(english)))
