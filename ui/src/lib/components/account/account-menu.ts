// The menu of the account.
import { navigate } from '../../router.svelte.ts'
import { connection } from '../../stores/connection.svelte.ts'
import { preferences, type Theme } from '../../stores/preferences.svelte.ts'
import { failedCommands } from '../connection/failed-commands.ts'
import type { MenuItem } from '../overlays/overlays.svelte.ts'
import { signOut } from './sign-out.ts'

function failedCommandItems(): MenuItem[] {
  const failed = failedCommands()
  if (failed.length === 0) return []
  const what = failed.length === 1 ? 'the unsaved change' : `${failed.length} unsaved changes`
  return [
    {
      label: `Send ${what} again`,
      icon: 'retry',
      onselect: () => failed.forEach((item) => item.retry()),
    },
    {
      label: `Discard ${what}`,
      icon: 'trash',
      danger: true,
      onselect: () => failed.forEach((item) => item.discard()),
    },
  ]
}
/** The items of the menu, with what can be done about unsaved changes first. */
export function accountMenu(): MenuItem[] {
  const theme = (value: Theme, label: string, icon: MenuItem['icon']): MenuItem => ({
    label,
    icon,
    checked: preferences.theme === value,
    onselect: () => preferences.update({ theme: value }),
  })
  return [
    ...failedCommandItems(),
    {
      label: 'Settings',
      icon: 'settings',
      separated: connection.failed > 0,
      onselect: () => navigate('/app/settings'),
    },
    { label: 'Devices', icon: 'desktop', onselect: () => navigate('/app/settings/devices') },
    { ...theme('system', 'Theme of the system', 'palette'), separated: true },
    theme('light', 'Light theme', 'sun'),
    theme('dark', 'Dark theme', 'moon'),
    { label: 'Sign out', icon: 'signOut', separated: true, onselect: () => void signOut() },
  ]
}
