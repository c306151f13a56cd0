/* Runs a test under a locale whose decimal point is not '.', if the machine has one. */
#ifndef VORTEX_TESTS_JSON_LOCALES_H
#define VORTEX_TESTS_JSON_LOCALES_H

#include <locale.h>
#include <stdbool.h>
#include <string.h>

/* Switches to such a locale; false if none is installed. setlocale(LC_ALL, "C") leads back. */
static inline bool enter_comma_locale(void)
{
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",       "fr_FR.UTF-8", "fr_FR.utf8",
                                      "es_ES.UTF-8", "pt_BR.UTF-8", "ru_RU.UTF-8", "pl_PL.UTF-8", "nl_NL.UTF-8"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (setlocale(LC_ALL, names[i]) != NULL && strcmp(localeconv()->decimal_point, ".") != 0) {
      return true;
    }
  }
  setlocale(LC_ALL, "C");
  return false;
}

#endif
