/** How administrators mark on the host what no backup shall take. Apart, because the report names them and reaches no host. */

/** Marks that users of Xen Orchestra have on their disks and VMs already. */
export const EXCLUDED_DISK = '[NOBAK]';
export const EXCLUDED_VM_TAG = 'xo:no-bak';
