#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char text[2048];

int fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  /* One line of ASCII: clients decode it so, while names and paths may hold anything. */
  for (char *c = text; *c; c++) {
    if ((unsigned char)*c >= 0x80) *c = '?';
    if ((unsigned char)*c < ' ') *c = ' ';
  }
  return -1;
}

const char *last_error(void) { return text; }
