/**
 * Calls what the application gave, such as the listeners of an event. Their failure is the application's own and ends it as any
 * uncaught one would; what was about to be told goes on here.
 */
export function apart(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
