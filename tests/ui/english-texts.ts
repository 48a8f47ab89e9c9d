// Shows the page's English texts to code that runs without the page. The files of one worker share
// which language is shown, so each file that needs English asks for it before its tests.
import { showLanguage } from '../../ui/src/lib/texts.ts'
import english from '../../ui/texts/en.json' with { type: 'json' }
import { compileCatalogue } from '../../tools/vite/texts.ts'

export const showEnglish = (): Promise<void> =>
  showLanguage('en', () => Promise.resolve(compileCatalogue(english)))
