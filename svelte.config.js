import { vitePreprocess } from '@sveltejs/vite-plugin-svelte'

/** @type {import('@sveltejs/vite-plugin-svelte').SvelteConfig} */
export default {
  preprocess: vitePreprocess(),
  compilerOptions: {
    runes: true,
    discloseVersion: false,
    // Shorter than Svelte's own, and the same in every folder.
    cssHash: ({ hash, css }) => `s-${hash(css).slice(0, 5)}`,
  },
}
