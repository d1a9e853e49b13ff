package io.sparkgguf.calibrate.text;

import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes a few things of Jinja, as its own library understands it, so that the Java library understands the same; what
 * cannot be said in its words becomes a call that fails when rendering gets there, so that nothing is rendered wrongly.
 *
 * <ul>
 *   <li>{@code not x is y}: the Java library takes {@code not x} first
 *   <li>{@code x[::-1]}: it has no steps in slices, but a filter {@code reverse}
 *   <li>{@code namespace(a=b + c)}: it takes {@code a=b} first
 *   <li>{@code {% generation %}}: the mark that transformers has for what the model wrote
 *   <li>{@code {% for x in y if z %}} and filters that it does not know: it leaves them out without a word
 *   <li>one line feed at the template's end: Jinja drops it
 * </ul>
 */
final class TemplateSource {
    /** The filter and the function that fail, with what is missing as their argument. */
    static final String UNSUPPORTED = "unsupported";

    private static final String NAME = "[A-Za-z_]\\w*";
    private static final Pattern NEGATED_TEST =
            Pattern.compile("\\bnot\\s+(" + NAME + "(?:\\.\\w+|\\[[^\\]]*\\])*)\\s+is\\s+(?!not\\b)");
    private static final Pattern REVERSED = Pattern.compile("\\[\\s*::\\s*-1\\s*\\]");
    private static final Pattern NAMESPACE = Pattern.compile("\\bnamespace\\(([^()]*)\\)");
    private static final Pattern KEYWORD = Pattern.compile("(" + NAME + "\\s*=)([^=,]+)");
    private static final Pattern GENERATION = Pattern.compile("^(\\{%[-+]?\\s*)(end)?generation(\\s*[-+]?%})$");
    private static final Pattern FOR_IF = Pattern.compile(
            "^(\\{%[-+]?\\s*for\\s.*?\\sin)\\s.*?\\sif\\s(?!.*\\selse\\s).*?([-+]?%})$", Pattern.DOTALL);
    private static final Pattern FILTER = Pattern.compile("\\|\\s*(" + NAME + ")");

    private TemplateSource() {}

    /** @param knowsFilter whether the library has a filter of this name */
    static String adapted(String template, Predicate<String> knowsFilter) {
        String source = template.endsWith("\n") ? template.substring(0, template.length() - 1) : template;
        StringBuilder adapted = new StringBuilder();
        int at = 0;
        while (at < source.length()) {
            int begin = nextTag(source, at);
            adapted.append(source, at, begin);
            int end = endOfTag(source, begin);
            String tag = source.substring(begin, end);
            adapted.append(tag.startsWith("{#") ? tag : adaptedTag(tag, knowsFilter));
            at = end;
        }
        return adapted.toString();
    }

    private static int nextTag(String source, int from) {
        for (int i = from; i < source.length() - 1; i++) {
            if (source.charAt(i) == '{' && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return source.length();
    }

    /** One past the tag's end; what stands in quotes does not end it. */
    private static int endOfTag(String source, int begin) {
        if (source.startsWith("{#", begin)) {
            int end = source.indexOf("#}", begin);
            return end < 0 ? source.length() : end + 2;
        }
        String close = source.startsWith("{%", begin) ? "%}" : "}}";
        for (int i = begin + 2; i < source.length(); i++) {
            char c = source.charAt(i);
            if (c == '\'' || c == '"') {
                i = endOfString(source, i);
            } else if (source.startsWith(close, i)) {
                return i + 2;
            }
        }
        return source.length();
    }

    private static int endOfString(String source, int begin) {
        int i = begin + 1;
        while (i < source.length() && source.charAt(i) != source.charAt(begin)) {
            i += source.charAt(i) == '\\' ? 2 : 1;
        }
        return i;
    }

    private static String adaptedTag(String tag, Predicate<String> knowsFilter) {
        String result =
                replace(tag, GENERATION, g -> g.apply(1) + (g.apply(2) == null ? "if true" : "endif") + g.apply(3));
        result = replace(result, NEGATED_TEST, g -> g.apply(1) + " is not ");
        result = replace(result, REVERSED, g -> "|reverse");
        result = replace(
                result,
                NAMESPACE,
                g -> "namespace(" + replace(g.apply(1), KEYWORD, k -> k.apply(1) + '(' + k.apply(2) + ')') + ')');
        result = replace(result, FOR_IF, g -> g.apply(1) + ' ' + UNSUPPORTED + "('a for with an if') " + g.apply(2));
        return replace(
                result,
                FILTER,
                g -> knowsFilter.test(g.apply(1))
                        ? g.apply(0)
                        : '|' + UNSUPPORTED + "('the filter " + g.apply(1) + "')");
    }

    /**
     * Replaces what matches, quoted text being letters.
     *
     * @param replacement of the groups of a match, as they stand in the tag
     */
    private static String replace(String tag, Pattern pattern, Function<IntFunction<String>, String> replacement) {
        Matcher matcher = pattern.matcher(blanked(tag));
        StringBuilder result = new StringBuilder();
        int at = 0;
        while (matcher.find()) {
            IntFunction<String> groups =
                    i -> matcher.start(i) < 0 ? null : tag.substring(matcher.start(i), matcher.end(i));
            result.append(tag, at, matcher.start()).append(replacement.apply(groups));
            at = matcher.end();
        }
        return result.append(tag, at, tag.length()).toString();
    }

    /** The tag with letters in place of what stands in quotes. */
    private static String blanked(String tag) {
        StringBuilder blank = new StringBuilder(tag);
        for (int i = 0; i < tag.length(); i++) {
            if (tag.charAt(i) == '\'' || tag.charAt(i) == '"') {
                int end = Math.min(tag.length() - 1, endOfString(tag, i));
                for (int k = i + 1; k < end; k++) {
                    blank.setCharAt(k, 'x');
                }
                i = end;
            }
        }
        return blank.toString();
    }
}
