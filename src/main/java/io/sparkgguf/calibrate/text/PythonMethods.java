package io.sparkgguf.calibrate.text;

import java.beans.FeatureDescriptor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;

/** Methods of Python's str and dict that chat templates call, for the values of a template. */
final class PythonMethods extends ELResolver {
    @Override
    public Object invoke(ELContext context, Object base, Object method, Class<?>[] types, Object[] arguments) {
        Object[] given = arguments == null ? new Object[0] : arguments;
        Object result = null;
        if (base instanceof CharSequence text && method != null) {
            result = onText(text.toString(), method.toString(), given);
        } else if (base instanceof Map<?, ?> map && "get".equals(method) && given.length >= 1) {
            Object value = map.get(given[0]);
            context.setPropertyResolved(true);
            return value == null && given.length > 1 ? given[1] : value;
        }
        if (result != null) {
            context.setPropertyResolved(true);
        }
        return result;
    }

    private static Object onText(String text, String method, Object[] given) {
        String first = given.length > 0 && given[0] != null ? given[0].toString() : null;
        return switch (method) {
            case "strip" -> strip(text, first, true, true);
            case "lstrip" -> strip(text, first, true, false);
            case "rstrip" -> strip(text, first, false, true);
            case "startswith" -> first == null ? null : text.startsWith(first);
            case "endswith" -> first == null ? null : text.endsWith(first);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "replace" -> given.length < 2 || first == null ? null : text.replace(first, String.valueOf(given[1]));
            case "find" -> first == null ? null : text.indexOf(first);
            case "count" ->
                first == null || first.isEmpty() ? null : split(text, first, -1).size() - 1;
            case "isdigit" -> !text.isEmpty() && text.chars().allMatch(Character::isDigit);
            case "join" -> given.length == 1 && given[0] instanceof Iterable<?> parts ? join(text, parts) : null;
            case "split" -> split(text, first, given.length > 1 ? ((Number) given[1]).intValue() : -1);
            default -> null;
        };
    }

    /** Without the characters at its sides that are white space, or among {@code set}. */
    private static String strip(String text, String set, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && strips(text.charAt(from), set)) {
            from++;
        }
        while (right && to > from && strips(text.charAt(to - 1), set)) {
            to--;
        }
        return text.substring(from, to);
    }

    private static boolean strips(char c, String set) {
        return set == null ? Character.isWhitespace(c) || Character.isSpaceChar(c) : set.indexOf(c) >= 0;
    }

    private static List<String> split(String text, String separator, int most) {
        List<String> parts = new ArrayList<>();
        int from = 0;
        if (separator == null) {
            for (String word : text.strip().split("\\s+")) {
                parts.add(word);
            }
            return parts;
        }
        for (int at = text.indexOf(separator); at >= 0 && parts.size() != most; at = text.indexOf(separator, from)) {
            parts.add(text.substring(from, at));
            from = at + separator.length();
        }
        parts.add(text.substring(from));
        return parts;
    }

    private static String join(String separator, Iterable<?> parts) {
        StringJoiner joined = new StringJoiner(separator);
        parts.forEach(part -> joined.add(String.valueOf(part)));
        return joined.toString();
    }

    @Override
    public Object getValue(ELContext context, Object base, Object property) {
        return null;
    }

    @Override
    public Class<?> getType(ELContext context, Object base, Object property) {
        return null;
    }

    @Override
    public void setValue(ELContext context, Object base, Object property, Object value) {}

    @Override
    public boolean isReadOnly(ELContext context, Object base, Object property) {
        return true;
    }

    @Override
    public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, Object base) {
        return Collections.emptyIterator();
    }

    @Override
    public Class<?> getCommonPropertyType(ELContext context, Object base) {
        return Object.class;
    }
}
