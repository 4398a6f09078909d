/** A picture, and what stays of it. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="stays" x="11" y="11" width="17" height="17" rx="5" />
      <rect class="seen" x="4" y="4" width="17" height="17" rx="5" />
    </svg>
  );
}
