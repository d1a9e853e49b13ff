package io.sparkgguf.calibrate.text;

import java.io.IOException;

/** Characters of one document, one after another. */
interface Characters {

    /**
     * Appends about {@code most} characters, never half of a surrogate pair, fewer only where the document ends.
     *
     * @return how many; 0 at the end
     */
    int append(StringBuilder into, int most) throws IOException;

    /** The characters of a text that is in memory. */
    static Characters of(String text) {
        return new Characters() {
            private int at;

            @Override
            public int append(StringBuilder into, int most) {
                int end = Math.min(text.length(), at + most);
                if (end < text.length() && Character.isLowSurrogate(text.charAt(end))) {
                    end++;
                }
                into.append(text, at, end);
                int count = end - at;
                at = end;
                return count;
            }
        };
    }
}
