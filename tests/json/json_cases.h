/* The cases of JSONTestSuite (Nicolas Seriot, github.com/nst/JSONTestSuite, folder test_parsing) under their names there: y_ a parser must
 * accept, n_ it must refuse, i_ is left to the implementation, and the verdict here is what json/scan.h promises. The cases of deep
 * nesting, which are long and regular, are built by the test. CASE(verdict, name, text) */
#ifndef VORTEX_TESTS_JSON_CASES_H
#define VORTEX_TESTS_JSON_CASES_H

// clang-format off
#define JSON_CASES(CASE) \
  CASE(ACCEPT, "y_array_arraysWithSpaces", "[[]   ]") \
  CASE(ACCEPT, "y_array_empty-string", "[\"\"]") \
  CASE(ACCEPT, "y_array_empty", "[]") \
  CASE(ACCEPT, "y_array_ending_with_newline", "[\"a\"]\n") \
  CASE(ACCEPT, "y_array_false", "[false]") \
  CASE(ACCEPT, "y_array_heterogeneous", "[null, 1, \"1\", {}]") \
  CASE(ACCEPT, "y_array_null", "[null]") \
  CASE(ACCEPT, "y_array_with_1_and_newline", "[1\n]") \
  CASE(ACCEPT, "y_array_with_leading_space", " [1]") \
  CASE(ACCEPT, "y_array_with_several_null", "[1,null,null,null,2]") \
  CASE(ACCEPT, "y_array_with_trailing_space", "[2] ") \
  CASE(ACCEPT, "y_number", "[123e65]") \
  CASE(ACCEPT, "y_number_0e+1", "[0e+1]") \
  CASE(ACCEPT, "y_number_0e1", "[0e1]") \
  CASE(ACCEPT, "y_number_after_space", "[ 4]") \
  CASE(ACCEPT, "y_number_double_close_to_zero", "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]") \
  CASE(ACCEPT, "y_number_int_with_exp", "[20e1]") \
  CASE(ACCEPT, "y_number_minus_zero", "[-0]") \
  CASE(ACCEPT, "y_number_negative_int", "[-123]") \
  CASE(ACCEPT, "y_number_negative_one", "[-1]") \
  CASE(ACCEPT, "y_number_negative_zero", "[-0]") \
  CASE(ACCEPT, "y_number_real_capital_e", "[1E22]") \
  CASE(ACCEPT, "y_number_real_capital_e_neg_exp", "[1E-2]") \
  CASE(ACCEPT, "y_number_real_capital_e_pos_exp", "[1E+2]") \
  CASE(ACCEPT, "y_number_real_exponent", "[123e45]") \
  CASE(ACCEPT, "y_number_real_fraction_exponent", "[123.456e78]") \
  CASE(ACCEPT, "y_number_real_neg_exp", "[1e-2]") \
  CASE(ACCEPT, "y_number_real_pos_exponent", "[1e+2]") \
  CASE(ACCEPT, "y_number_simple_int", "[123]") \
  CASE(ACCEPT, "y_number_simple_real", "[123.456789]") \
  CASE(ACCEPT, "y_object", "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}") \
  CASE(ACCEPT, "y_object_basic", "{\"asd\":\"sdf\"}") \
  CASE(ACCEPT, "y_object_duplicated_key", "{\"a\":\"b\",\"a\":\"c\"}") \
  CASE(ACCEPT, "y_object_duplicated_key_and_value", "{\"a\":\"b\",\"a\":\"b\"}") \
  CASE(ACCEPT, "y_object_empty", "{}") \
  CASE(ACCEPT, "y_object_empty_key", "{\"\":0}") \
  CASE(ACCEPT, "y_object_escaped_null_in_key", "{\"foo\\u0000bar\": 42}") \
  CASE(ACCEPT, "y_object_extreme_numbers", "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }") \
  CASE(ACCEPT, "y_object_long_strings", "{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}") \
  CASE(ACCEPT, "y_object_simple", "{\"a\":[]}") \
  CASE(ACCEPT, "y_object_string_unicode", "{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430 \\u0417\\u0435\\u043c\\u043b\\u0435\\u043a\\u043e\\u043f\\u0430\" }") \
  CASE(ACCEPT, "y_object_with_newlines", "{\n\"a\": \"b\"\n}") \
  CASE(ACCEPT, "y_string_1_2_3_bytes_UTF-8_sequences", "[\"\\u0060\\u012a\\u12AB\"]") \
  CASE(ACCEPT, "y_string_accepted_surrogate_pair", "[\"\\uD801\\udc37\"]") \
  CASE(ACCEPT, "y_string_accepted_surrogate_pairs", "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]") \
  CASE(ACCEPT, "y_string_allowed_escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]") \
  CASE(ACCEPT, "y_string_backslash_and_u_escaped_zero", "[\"\\\\u0000\"]") \
  CASE(ACCEPT, "y_string_backslash_doublequotes", "[\"\\\"\"]") \
  CASE(ACCEPT, "y_string_comments", "[\"a/*b*/c/*d//e\"]") \
  CASE(ACCEPT, "y_string_double_escape_a", "[\"\\\\a\"]") \
  CASE(ACCEPT, "y_string_double_escape_n", "[\"\\\\n\"]") \
  CASE(ACCEPT, "y_string_escaped_control_character", "[\"\\u0012\"]") \
  CASE(ACCEPT, "y_string_escaped_noncharacter", "[\"\\uFFFF\"]") \
  CASE(ACCEPT, "y_string_in_array", "[\"asd\"]") \
  CASE(ACCEPT, "y_string_in_array_with_leading_space", "[ \"asd\"]") \
  CASE(ACCEPT, "y_string_last_surrogates_1_and_2", "[\"\\uDBFF\\uDFFF\"]") \
  CASE(ACCEPT, "y_string_nbsp_uescaped", "[\"new\\u00A0line\"]") \
  CASE(ACCEPT, "y_string_nonCharacterInUTF-8_U+10FFFF", "[\"\xF4\x8F\xBF\xBF\"]") \
  CASE(ACCEPT, "y_string_nonCharacterInUTF-8_U+FFFF", "[\"\xEF\xBF\xBF\"]") \
  CASE(ACCEPT, "y_string_null_escape", "[\"\\u0000\"]") \
  CASE(ACCEPT, "y_string_one-byte-utf-8", "[\"\\u002c\"]") \
  CASE(ACCEPT, "y_string_pi", "[\"\xCF\x80\"]") \
  CASE(ACCEPT, "y_string_reservedCharacterInUTF-8_U+1BFFF", "[\"\xF0\x9B\xBF\xBF\"]") \
  CASE(ACCEPT, "y_string_simple_ascii", "[\"asd \"]") \
  CASE(ACCEPT, "y_string_space", "\" \"") \
  CASE(ACCEPT, "y_string_surrogates_U+1D11E_MUSICAL_SYMBOL_G_CLEF", "[\"\\uD834\\uDd1e\"]") \
  CASE(ACCEPT, "y_string_three-byte-utf-8", "[\"\\u0821\"]") \
  CASE(ACCEPT, "y_string_two-byte-utf-8", "[\"\\u0123\"]") \
  CASE(ACCEPT, "y_string_u+2028_line_sep", "[\"\xE2\x80\xA8\"]") \
  CASE(ACCEPT, "y_string_u+2029_par_sep", "[\"\xE2\x80\xA9\"]") \
  CASE(ACCEPT, "y_string_uEscape", "[\"\\u0061\\u30af\\u30EA\\u30b9\"]") \
  CASE(ACCEPT, "y_string_uescaped_newline", "[\"new\\u000Aline\"]") \
  CASE(ACCEPT, "y_string_unescaped_char_delete", "[\"\x7F\"]") \
  CASE(ACCEPT, "y_string_unicode", "[\"\\uA66D\"]") \
  CASE(ACCEPT, "y_string_unicodeEscapedBackslash", "[\"\\u005C\"]") \
  CASE(ACCEPT, "y_string_unicode_2", "[\"\xE2\x8D\x82\xE3\x88\xB4\xE2\x8D\x82\"]") \
  CASE(ACCEPT, "y_string_unicode_U+10FFFE_nonchar", "[\"\\uDBFF\\uDFFE\"]") \
  CASE(ACCEPT, "y_string_unicode_U+1FFFE_nonchar", "[\"\\uD83F\\uDFFE\"]") \
  CASE(ACCEPT, "y_string_unicode_U+200B_ZERO_WIDTH_SPACE", "[\"\\u200B\"]") \
  CASE(ACCEPT, "y_string_unicode_U+2064_invisible_plus", "[\"\\u2064\"]") \
  CASE(ACCEPT, "y_string_unicode_U+FDD0_nonchar", "[\"\\uFDD0\"]") \
  CASE(ACCEPT, "y_string_unicode_U+FFFE_nonchar", "[\"\\uFFFE\"]") \
  CASE(ACCEPT, "y_string_unicode_escaped_double_quote", "[\"\\u0022\"]") \
  CASE(ACCEPT, "y_string_utf8", "[\"\xE2\x82\xAC\xF0\x9D\x84\x9E\"]") \
  CASE(ACCEPT, "y_string_with_del_character", "[\"a\x7F""a\"]") \
  CASE(ACCEPT, "y_structure_lonely_false", "false") \
  CASE(ACCEPT, "y_structure_lonely_int", "42") \
  CASE(ACCEPT, "y_structure_lonely_negative_real", "-0.1") \
  CASE(ACCEPT, "y_structure_lonely_null", "null") \
  CASE(ACCEPT, "y_structure_lonely_string", "\"asd\"") \
  CASE(ACCEPT, "y_structure_lonely_true", "true") \
  CASE(ACCEPT, "y_structure_string_empty", "\"\"") \
  CASE(ACCEPT, "y_structure_trailing_newline", "[\"a\"]\n") \
  CASE(ACCEPT, "y_structure_true_in_array", "[true]") \
  CASE(ACCEPT, "y_structure_whitespace_array", " [] ") \
  CASE(REFUSE, "n_array_1_true_without_comma", "[1 true]") \
  CASE(REFUSE, "n_array_a_invalid_utf8", "[a\xE5]") \
  CASE(REFUSE, "n_array_colon_instead_of_comma", "[\"\": 1]") \
  CASE(REFUSE, "n_array_comma_after_close", "[\"\"],") \
  CASE(REFUSE, "n_array_comma_and_number", "[,1]") \
  CASE(REFUSE, "n_array_double_comma", "[1,,2]") \
  CASE(REFUSE, "n_array_double_extra_comma", "[\"x\",,]") \
  CASE(REFUSE, "n_array_extra_close", "[\"x\"]]") \
  CASE(REFUSE, "n_array_extra_comma", "[\"\",]") \
  CASE(REFUSE, "n_array_incomplete", "[\"x\"") \
  CASE(REFUSE, "n_array_incomplete_invalid_value", "[x") \
  CASE(REFUSE, "n_array_inner_array_no_comma", "[3[4]]") \
  CASE(REFUSE, "n_array_invalid_utf8", "[\xFF]") \
  CASE(REFUSE, "n_array_items_separated_by_semicolon", "[1:2]") \
  CASE(REFUSE, "n_array_just_comma", "[,]") \
  CASE(REFUSE, "n_array_just_minus", "[-]") \
  CASE(REFUSE, "n_array_missing_value", "[   , \"\"]") \
  CASE(REFUSE, "n_array_newlines_unclosed", "[\"a\",\n4\n,1,") \
  CASE(REFUSE, "n_array_number_and_comma", "[1,]") \
  CASE(REFUSE, "n_array_number_and_several_commas", "[1,,]") \
  CASE(REFUSE, "n_array_spaces_vertical_tab_formfeed", "[\"\x0B""a\"\\f]") \
  CASE(REFUSE, "n_array_star_inside", "[*]") \
  CASE(REFUSE, "n_array_unclosed", "[\"\"") \
  CASE(REFUSE, "n_array_unclosed_trailing_comma", "[1,") \
  CASE(REFUSE, "n_array_unclosed_with_new_lines", "[1,\n1\n,1") \
  CASE(REFUSE, "n_array_unclosed_with_object_inside", "[{}") \
  CASE(REFUSE, "n_incomplete_false", "[fals]") \
  CASE(REFUSE, "n_incomplete_null", "[nul]") \
  CASE(REFUSE, "n_incomplete_true", "[tru]") \
  CASE(REFUSE, "n_multidigit_number_then_00", "123\x00") \
  CASE(REFUSE, "n_number_++", "[++1234]") \
  CASE(REFUSE, "n_number_+1", "[+1]") \
  CASE(REFUSE, "n_number_+Inf", "[+Inf]") \
  CASE(REFUSE, "n_number_-00.0", "[-00.0]") \
  CASE(REFUSE, "n_number_-00e0", "[-00e0]") \
  CASE(REFUSE, "n_number_-01", "[-01]") \
  CASE(REFUSE, "n_number_-1.0.", "[-1.0.]") \
  CASE(REFUSE, "n_number_-2.", "[-2.]") \
  CASE(REFUSE, "n_number_-NaN", "[-NaN]") \
  CASE(REFUSE, "n_number_.-1", "[.-1]") \
  CASE(REFUSE, "n_number_.2e-3", "[.2e-3]") \
  CASE(REFUSE, "n_number_0.1.2", "[0.1.2]") \
  CASE(REFUSE, "n_number_0.3e+", "[0.3e+]") \
  CASE(REFUSE, "n_number_0.3e", "[0.3e]") \
  CASE(REFUSE, "n_number_0.e1", "[0.e1]") \
  CASE(REFUSE, "n_number_00.0", "[00.0]") \
  CASE(REFUSE, "n_number_00e0", "[00e0]") \
  CASE(REFUSE, "n_number_0_capital_E+", "[0E+]") \
  CASE(REFUSE, "n_number_0_capital_E", "[0E]") \
  CASE(REFUSE, "n_number_0e+", "[0e+]") \
  CASE(REFUSE, "n_number_0e", "[0e]") \
  CASE(REFUSE, "n_number_1.0e+", "[1.0e+]") \
  CASE(REFUSE, "n_number_1.0e-", "[1.0e-]") \
  CASE(REFUSE, "n_number_1.0e", "[1.0e]") \
  CASE(REFUSE, "n_number_1_000", "[1 000.0]") \
  CASE(REFUSE, "n_number_1eE2", "[1eE2]") \
  CASE(REFUSE, "n_number_2.e+3", "[2.e+3]") \
  CASE(REFUSE, "n_number_2.e-3", "[2.e-3]") \
  CASE(REFUSE, "n_number_2.e3", "[2.e3]") \
  CASE(REFUSE, "n_number_9.e+", "[9.e+]") \
  CASE(REFUSE, "n_number_Inf", "[Inf]") \
  CASE(REFUSE, "n_number_NaN", "[NaN]") \
  CASE(REFUSE, "n_number_U+FF11_fullwidth_digit_one", "[\xEF\xBC\x91]") \
  CASE(REFUSE, "n_number_expression", "[1+2]") \
  CASE(REFUSE, "n_number_hex_1_digit", "[0x1]") \
  CASE(REFUSE, "n_number_hex_2_digits", "[0x42]") \
  CASE(REFUSE, "n_number_infinity", "[Infinity]") \
  CASE(REFUSE, "n_number_invalid+-", "[0e+-1]") \
  CASE(REFUSE, "n_number_invalid-negative-real", "[-123.123foo]") \
  CASE(REFUSE, "n_number_invalid-utf-8-in-bigger-int", "[123\xE5]") \
  CASE(REFUSE, "n_number_invalid-utf-8-in-exponent", "[1e1\xE5]") \
  CASE(REFUSE, "n_number_invalid-utf-8-in-int", "[0\xE5]") \
  CASE(REFUSE, "n_number_minus_infinity", "[-Infinity]") \
  CASE(REFUSE, "n_number_minus_sign_with_trailing_garbage", "[-foo]") \
  CASE(REFUSE, "n_number_minus_space_1", "[- 1]") \
  CASE(REFUSE, "n_number_neg_int_starting_with_zero", "[-012]") \
  CASE(REFUSE, "n_number_neg_real_without_int_part", "[-.123]") \
  CASE(REFUSE, "n_number_neg_with_garbage_at_end", "[-1x]") \
  CASE(REFUSE, "n_number_real_garbage_after_e", "[1ea]") \
  CASE(REFUSE, "n_number_real_with_invalid_utf8_after_e", "[1e\xE5]") \
  CASE(REFUSE, "n_number_real_without_fractional_part", "[1.]") \
  CASE(REFUSE, "n_number_starting_with_dot", "[.123]") \
  CASE(REFUSE, "n_number_with_alpha", "[1.2a-3]") \
  CASE(REFUSE, "n_number_with_alpha_char", "[1.8011670033376514H-308]") \
  CASE(REFUSE, "n_number_with_leading_zero", "[012]") \
  CASE(REFUSE, "n_object_bad_value", "[\"x\", truth]") \
  CASE(REFUSE, "n_object_bracket_key", "{[: \"x\"}") \
  CASE(REFUSE, "n_object_comma_instead_of_colon", "{\"x\", null}") \
  CASE(REFUSE, "n_object_double_colon", "{\"x\"::\"b\"}") \
  CASE(REFUSE, "n_object_emoji", "{\xF0\x9F\x87\xA8\xF0\x9F\x87\xAD}") \
  CASE(REFUSE, "n_object_garbage_at_end", "{\"a\":\"a\" 123}") \
  CASE(REFUSE, "n_object_key_with_single_quotes", "{key: 'value'}") \
  CASE(REFUSE, "n_object_lone_continuation_byte_in_key_and_trailing_comma", "{\"\xB9\":\"0\",}") \
  CASE(REFUSE, "n_object_missing_colon", "{\"a\" b}") \
  CASE(REFUSE, "n_object_missing_key", "{:\"b\"}") \
  CASE(REFUSE, "n_object_missing_semicolon", "{\"a\" \"b\"}") \
  CASE(REFUSE, "n_object_missing_value", "{\"a\":") \
  CASE(REFUSE, "n_object_no-colon", "{\"a\"") \
  CASE(REFUSE, "n_object_non_string_key", "{1:1}") \
  CASE(REFUSE, "n_object_non_string_key_but_huge_number_instead", "{9999E9999:1}") \
  CASE(REFUSE, "n_object_pi_in_key_and_trailing_comma", "{\"\xCF\x80\":\"0\",}") \
  CASE(REFUSE, "n_object_repeated_null_null", "{null:null,null:null}") \
  CASE(REFUSE, "n_object_several_trailing_commas", "{\"id\":0,,,,,}") \
  CASE(REFUSE, "n_object_single_quote", "{'a':0}") \
  CASE(REFUSE, "n_object_trailing_comma", "{\"id\":0,}") \
  CASE(REFUSE, "n_object_trailing_comment", "{\"a\":\"b\"}/**/") \
  CASE(REFUSE, "n_object_trailing_comment_open", "{\"a\":\"b\"}/**//") \
  CASE(REFUSE, "n_object_trailing_comment_slash_open", "{\"a\":\"b\"}//") \
  CASE(REFUSE, "n_object_trailing_comment_slash_open_incomplete", "{\"a\":\"b\"}/") \
  CASE(REFUSE, "n_object_two_commas_in_a_row", "{\"a\":\"b\",,\"c\":\"d\"}") \
  CASE(REFUSE, "n_object_unquoted_key", "{a: \"b\"}") \
  CASE(REFUSE, "n_object_unterminated-value", "{\"a\":\"a") \
  CASE(REFUSE, "n_object_with_single_string", "{ \"foo\" : \"bar\", \"a\" }") \
  CASE(REFUSE, "n_object_with_trailing_garbage", "{\"a\":\"b\"}#") \
  CASE(REFUSE, "n_single_space", " ") \
  CASE(REFUSE, "n_string_1_surrogate_then_escape", "[\"\\uD800\\\"]") \
  CASE(REFUSE, "n_string_1_surrogate_then_escape_u", "[\"\\uD800\\u\"]") \
  CASE(REFUSE, "n_string_1_surrogate_then_escape_u1", "[\"\\uD800\\u1\"]") \
  CASE(REFUSE, "n_string_1_surrogate_then_escape_u1x", "[\"\\uD800\\u1x\"]") \
  CASE(REFUSE, "n_string_accentuated_char_no_quotes", "[\xC3\xA9]") \
  CASE(REFUSE, "n_string_backslash_00", "[\"\\\x00\"]") \
  CASE(REFUSE, "n_string_escape_x", "[\"\\x00\"]") \
  CASE(REFUSE, "n_string_escaped_backslash_bad", "[\"\\\\\\\"]") \
  CASE(REFUSE, "n_string_escaped_ctrl_char_tab", "[\"\\\t\"]") \
  CASE(REFUSE, "n_string_escaped_emoji", "[\"\\\xF0\x9F\x8C\x80\"]") \
  CASE(REFUSE, "n_string_incomplete_escape", "[\"\\\"]") \
  CASE(REFUSE, "n_string_incomplete_escaped_character", "[\"\\u00A\"]") \
  CASE(REFUSE, "n_string_incomplete_surrogate", "[\"\\uD834\\uDd\"]") \
  CASE(REFUSE, "n_string_incomplete_surrogate_escape_invalid", "[\"\\uD800\\uD800\\x\"]") \
  CASE(REFUSE, "n_string_invalid-utf-8-in-escape", "[\"\\u\xE5\"]") \
  CASE(REFUSE, "n_string_invalid_backslash_esc", "[\"\\a\"]") \
  CASE(REFUSE, "n_string_invalid_unicode_escape", "[\"\\uqqqq\"]") \
  CASE(REFUSE, "n_string_invalid_utf8_after_escape", "[\"\\\xE5\"]") \
  CASE(REFUSE, "n_string_leading_uescaped_thinspace", "[\\u0020\"asd\"]") \
  CASE(REFUSE, "n_string_no_quotes_with_bad_escape", "[\\n]") \
  CASE(REFUSE, "n_string_octal_escape", "[\"\\012\"]") \
  CASE(REFUSE, "n_string_single_doublequote", "\"") \
  CASE(REFUSE, "n_string_single_quote", "['single quote']") \
  CASE(REFUSE, "n_string_single_string_no_double_quotes", "abc") \
  CASE(REFUSE, "n_string_start_escape_unclosed", "[\"\\") \
  CASE(REFUSE, "n_string_unescaped_ctrl_char", "[\"a\x00""a\"]") \
  CASE(REFUSE, "n_string_unescaped_newline", "[\"new\nline\"]") \
  CASE(REFUSE, "n_string_unescaped_tab", "[\"\t\"]") \
  CASE(REFUSE, "n_string_unicode_CapitalU", "\"\\UA66D\"") \
  CASE(REFUSE, "n_string_with_trailing_garbage", "\"\"x") \
  CASE(REFUSE, "n_structure_U+2060_word_joined", "[\xE2\x81\xA0]") \
  CASE(REFUSE, "n_structure_UTF8_BOM_no_data", "\xEF\xBB\xBF") \
  CASE(REFUSE, "n_structure_angle_bracket_.", "<.>") \
  CASE(REFUSE, "n_structure_angle_bracket_null", "[<null>]") \
  CASE(REFUSE, "n_structure_array_trailing_garbage", "[1]x") \
  CASE(REFUSE, "n_structure_array_with_extra_array_close", "[1]]") \
  CASE(REFUSE, "n_structure_array_with_unclosed_string", "[\"asd]") \
  CASE(REFUSE, "n_structure_ascii-unicode-identifier", "a\xC3\xA5") \
  CASE(REFUSE, "n_structure_capitalized_True", "[True]") \
  CASE(REFUSE, "n_structure_close_unopened_array", "1]") \
  CASE(REFUSE, "n_structure_comma_instead_of_closing_brace", "{\"x\": true,") \
  CASE(REFUSE, "n_structure_double_array", "[][]") \
  CASE(REFUSE, "n_structure_end_array", "]") \
  CASE(REFUSE, "n_structure_incomplete_UTF8_BOM", "\xEF\xBB{}") \
  CASE(REFUSE, "n_structure_lone-invalid-utf-8", "\xE5") \
  CASE(REFUSE, "n_structure_lone-open-bracket", "[") \
  CASE(REFUSE, "n_structure_no_data", "") \
  CASE(REFUSE, "n_structure_null-byte-outside-string", "[\x00]") \
  CASE(REFUSE, "n_structure_number_with_trailing_garbage", "2@") \
  CASE(REFUSE, "n_structure_object_followed_by_closing_object", "{}}") \
  CASE(REFUSE, "n_structure_object_unclosed_no_value", "{\"\":") \
  CASE(REFUSE, "n_structure_object_with_comment", "{\"a\":/*comment*/\"b\"}") \
  CASE(REFUSE, "n_structure_object_with_trailing_garbage", "{\"a\": true} \"x\"") \
  CASE(REFUSE, "n_structure_open_array_apostrophe", "['") \
  CASE(REFUSE, "n_structure_open_array_comma", "[,") \
  CASE(REFUSE, "n_structure_open_array_open_object", "[{") \
  CASE(REFUSE, "n_structure_open_array_open_string", "[\"a") \
  CASE(REFUSE, "n_structure_open_array_string", "[\"a\"") \
  CASE(REFUSE, "n_structure_open_object", "{") \
  CASE(REFUSE, "n_structure_open_object_close_array", "{]") \
  CASE(REFUSE, "n_structure_open_object_comma", "{,") \
  CASE(REFUSE, "n_structure_open_object_open_array", "{[") \
  CASE(REFUSE, "n_structure_open_object_open_string", "{\"a") \
  CASE(REFUSE, "n_structure_open_object_string_with_apostrophes", "{'a'") \
  CASE(REFUSE, "n_structure_open_open", "[\"\\{[\"\\{[\"\\{[\"\\{") \
  CASE(REFUSE, "n_structure_single_eacute", "\xE9") \
  CASE(REFUSE, "n_structure_single_star", "*") \
  CASE(REFUSE, "n_structure_trailing_#", "{\"a\":\"b\"}#{}") \
  CASE(REFUSE, "n_structure_uescaped_LF_before_string", "[\\u000A\"\"]") \
  CASE(REFUSE, "n_structure_unclosed_array", "[1") \
  CASE(REFUSE, "n_structure_unclosed_array_partial_null", "[ false, nul") \
  CASE(REFUSE, "n_structure_unclosed_array_unfinished_false", "[ true, fals") \
  CASE(REFUSE, "n_structure_unclosed_array_unfinished_true", "[ false, tru") \
  CASE(REFUSE, "n_structure_unclosed_object", "{\"asd\":\"asd\"") \
  CASE(REFUSE, "n_structure_unicode-identifier", "\xC3\xA5") \
  CASE(REFUSE, "n_structure_whitespace_U+2060_word_joiner", "[\xE2\x81\xA0]") \
  CASE(REFUSE, "n_structure_whitespace_formfeed", "[\x0C]") \
  CASE(ACCEPT, "i_number_double_huge_neg_exp", "[123.456e-789]") \
  CASE(ACCEPT, "i_number_huge_exp", "[0.4e00669999999999999999999999999999999999999999999999999999999999999999999999999999999999999969999999006]") \
  CASE(ACCEPT, "i_number_neg_int_huge_exp", "[-1e+9999]") \
  CASE(ACCEPT, "i_number_pos_double_huge_exp", "[1.5e+9999]") \
  CASE(ACCEPT, "i_number_real_neg_overflow", "[-123123e100000]") \
  CASE(ACCEPT, "i_number_real_pos_overflow", "[123123e100000]") \
  CASE(ACCEPT, "i_number_real_underflow", "[123e-10000000]") \
  CASE(ACCEPT, "i_number_too_big_neg_int", "[-123123123123123123123123123123]") \
  CASE(ACCEPT, "i_number_too_big_pos_int", "[100000000000000000000]") \
  CASE(ACCEPT, "i_number_very_big_negative_int", "[-237462374673276894279832749832423479823246327846]") \
  CASE(ACCEPT, "i_object_key_lone_2nd_surrogate", "{\"\\uDFAA\":0}") \
  CASE(ACCEPT, "i_string_1st_surrogate_but_2nd_missing", "[\"\\uDADA\"]") \
  CASE(ACCEPT, "i_string_1st_valid_surrogate_2nd_invalid", "[\"\\uD888\\u1234\"]") \
  CASE(ACCEPT, "i_string_incomplete_surrogate_and_escape_valid", "[\"\\uD800\\n\"]") \
  CASE(ACCEPT, "i_string_incomplete_surrogate_pair", "[\"\\uDd1ea\"]") \
  CASE(ACCEPT, "i_string_incomplete_surrogates_escape_valid", "[\"\\uD800\\uD800\\n\"]") \
  CASE(ACCEPT, "i_string_invalid_lonely_surrogate", "[\"\\ud800\"]") \
  CASE(ACCEPT, "i_string_invalid_surrogate", "[\"\\ud800abc\"]") \
  CASE(ACCEPT, "i_string_inverted_surrogates_U+1D11E", "[\"\\uDd1e\\uD834\"]") \
  CASE(ACCEPT, "i_string_lone_second_surrogate", "[\"\\uDFAA\"]") \
  CASE(REFUSE, "i_string_UTF-16LE_with_BOM", "\xFF\xFE[\x00\"\x00\xE9\x00\"\x00]\x00") \
  CASE(REFUSE, "i_string_UTF-8_invalid_sequence", "[\"\xE6\x97\xA5\xD1\x88\xFA\"]") \
  CASE(REFUSE, "i_string_UTF8_surrogate_U+D800", "[\"\xED\xA0\x80\"]") \
  CASE(REFUSE, "i_string_invalid_utf-8", "[\"\xFF\"]") \
  CASE(REFUSE, "i_string_iso_latin_1", "[\"\xE9\"]") \
  CASE(REFUSE, "i_string_lone_utf8_continuation_byte", "[\"\x81\"]") \
  CASE(REFUSE, "i_string_not_in_unicode_range", "[\"\xF4\xBF\xBF\xBF\"]") \
  CASE(REFUSE, "i_string_overlong_sequence_2_bytes", "[\"\xC0\xAF\"]") \
  CASE(REFUSE, "i_string_overlong_sequence_6_bytes", "[\"\xFC\x83\xBF\xBF\xBF\xBF\"]") \
  CASE(REFUSE, "i_string_overlong_sequence_6_bytes_null", "[\"\xFC\x80\x80\x80\x80\x80\"]") \
  CASE(REFUSE, "i_string_truncated-utf-8", "[\"\xE0\xFF\"]") \
  CASE(REFUSE, "i_string_utf16BE_no_BOM", "\x00[\x00\"\x00\xE9\x00\"\x00]") \
  CASE(REFUSE, "i_string_utf16LE_no_BOM", "[\x00\"\x00\xE9\x00\"\x00]\x00") \
  CASE(REFUSE, "i_structure_UTF-8_BOM_empty_object", "\xEF\xBB\xBF{}")
// clang-format on

#endif
