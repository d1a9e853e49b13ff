package io.sparkgguf.format.gguf;

/** Names out of a hostile file, made fit for a message of one line. */
public final class Quoted {
    private static final int SHOWN = 80;

    private Quoted() {}

    /** The name in quotes, what cannot be printed escaped, and cut when very long. */
    public static String of(String name) {
        StringBuilder text = new StringBuilder("'");
        for (int i = 0; i < Math.min(name.length(), SHOWN); i++) {
            char c = name.charAt(i);
            if (Character.isISOControl(c)
                    || Character.isSurrogate(c)
                    || !Character.isDefined(c)
                    || c >= 0x2028 && c <= 0x202E) {
                text.append(String.format("\\u%04x", (int) c));
            } else {
                text.append(c);
            }
        }
        return text.append(name.length() > SHOWN ? "…'" : "'").toString();
    }
}
