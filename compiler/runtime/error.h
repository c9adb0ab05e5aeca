/* The calling thread's last error, as DLRGetLastError gives it. */
#ifndef NEOC_ERROR_H_
#define NEOC_ERROR_H_

/* Sets the text, made one line of ASCII, and returns -1. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *last_error(void);

#endif
