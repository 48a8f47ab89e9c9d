// What the menu of the account offers: unsaved changes, if there are any, and the ways to the
// settings.
import { navigate } from '../../router.svelte.ts'
import { connection } from '../../stores/connection.svelte.ts'
import { preferences, type Theme } from '../../stores/preferences.svelte.ts'
import { t } from '../../texts.ts'
import { failedCommands } from '../connection/failed-commands.ts'
import type { MenuItem } from '../overlays/overlays.svelte.ts'
import { signOut } from './sign-out.ts'

function failedCommandItems(): MenuItem[] {
  const failed = failedCommands()
  if (failed.length === 0) return []
  const count = failed.length
  return [
    {
      label: t('account.sendAgain', { count }),
      icon: 'retry',
      onselect: () => failed.forEach((item) => item.retry()),
    },
    {
      label: t('account.discardUnsaved', { count }),
      icon: 'trash',
      danger: true,
      onselect: () => failed.forEach((item) => item.discard()),
    },
  ]
}
/** The items of the account's menu. */
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
      label: t('account.settings'),
      icon: 'settings',
      separated: connection.failed > 0,
      onselect: () => navigate('/app/settings'),
    },
    {
      label: t('account.devices'),
      icon: 'desktop',
      onselect: () => navigate('/app/settings/devices'),
    },
    { ...theme('system', t('account.systemTheme'), 'palette'), separated: true },
    theme('light', t('account.lightTheme'), 'sun'),
    theme('dark', t('account.darkTheme'), 'moon'),
    {
      label: t('account.signOut'),
      icon: 'signOut',
      separated: true,
      onselect: () => void signOut(),
    },
  ]
}
