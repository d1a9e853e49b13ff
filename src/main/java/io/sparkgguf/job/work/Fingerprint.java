package io.sparkgguf.job.work;

import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Tells whether two runs would make the same bytes in the same way, so that one can go on where the other ended; and if
 * not, why. All that decides the result, by name.
 */
public final class Fingerprint {
    private static final int ID_CHARS = 16;

    private final Map<String, String> components;

    private Fingerprint(Map<String, String> components) {
        this.components = components;
    }

    /** Collects what decides a result. */
    public static final class Builder {
        private final Map<String, String> components = new LinkedHashMap<>();

        /** @param value any; null counts as well */
        public Builder add(String name, Object value) {
            if (name.isEmpty() || name.contains(": ") || name.contains("\n")) {
                throw new IllegalArgumentException("Cannot use '" + name + "' as a name in a fingerprint");
            }
            if (components.put(name, oneLine(String.valueOf(value))) != null) {
                throw new IllegalArgumentException("Cannot use '" + name + "' twice in a fingerprint");
            }
            return this;
        }

        /** Adds what a record holds, one by one, and what records in it hold. */
        public Builder addAll(String name, Record record) {
            for (RecordComponent component : record.getClass().getRecordComponents()) {
                Object value;
                try {
                    value = component.getAccessor().invoke(record);
                } catch (ReflectiveOperationException e) {
                    throw new IllegalArgumentException("Cannot read " + component + " of " + record, e);
                }
                String full = name + "." + component.getName();
                if (value instanceof Record inner) {
                    addAll(full, inner);
                } else {
                    add(full, value);
                }
            }
            return this;
        }

        public Fingerprint build() {
            return new Fingerprint(new LinkedHashMap<>(components));
        }
    }

    /** Without what must not be told: names and passwords in URIs. */
    private static String oneLine(String text) {
        return text.replaceAll("://[^/@\\s]*@", "://")
                .replace("\\", "\\\\")
                .replace("\n", "\\n")
                .replace("\r", "\\r");
    }

    /** 16 hexadecimal digits that stand for all of it. */
    public String id() {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest).substring(0, ID_CHARS);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java platform has it
        }
    }

    /** The value of a component; null when there is none. */
    String component(String name) {
        return components.get(name);
    }

    /** A line {@code name: value} for each component. */
    public String text() {
        StringBuilder text = new StringBuilder();
        components.forEach(
                (name, value) -> text.append(name).append(": ").append(value).append('\n'));
        return text.toString();
    }

    /** From its text; lines of another form are taken as names without a value. */
    public static Fingerprint parse(String text) {
        Map<String, String> components = new LinkedHashMap<>();
        for (String line : text.split("\n")) {
            int colon = line.indexOf(": ");
            components.put(colon < 0 ? line : line.substring(0, colon), colon < 0 ? "" : line.substring(colon + 2));
        }
        return new Fingerprint(components);
    }

    /** What is not the same in another one, for people: {@code --type is Q4_0, was Q4_K_M}. */
    public List<String> differences(Fingerprint earlier) {
        List<String> differences = new ArrayList<>();
        Set<String> names = new LinkedHashSet<>(components.keySet());
        names.addAll(earlier.components.keySet());
        for (String name : names) {
            String now = components.get(name);
            String then = earlier.components.get(name);
            if (now == null) {
                differences.add(name + " was " + then);
            } else if (then == null) {
                differences.add(name + " is " + now + ", was not there");
            } else if (!now.equals(then)) {
                differences.add(name + " is " + now + ", was " + then);
            }
        }
        return differences;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Fingerprint that && text().equals(that.text());
    }

    @Override
    public int hashCode() {
        return components.hashCode();
    }
}
