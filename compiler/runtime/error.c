#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char text[2048];

int fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  /* Clients decode the text as ASCII; names and paths may hold anything. */
  for (char *c = text; *c; c++)
    if ((unsigned char)*c >= 0x80) *c = '?';
  return -1;
}

const char *last_error(void) { return text; }
