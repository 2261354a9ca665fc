/* Debian compiles LLVM's unwinder for glibc, whose checked printing musl has not. It prints before it aborts, or if asked to. */
#include <stdarg.h>
#include <stddef.h>

typedef struct file file;
int vfprintf(file *to, const char *format, va_list arguments);
int vsnprintf(char *to, size_t bytes, const char *format, va_list arguments);

int __vfprintf_chk(file *to, int flag, const char *format, va_list arguments)
{
    (void)flag;
    return vfprintf(to, format, arguments);
}

int __vsnprintf_chk(char *to, size_t bytes, int flag, size_t room, const char *format, va_list arguments)
{
    (void)flag;
    return vsnprintf(to, bytes < room ? bytes : room, format, arguments);
}
