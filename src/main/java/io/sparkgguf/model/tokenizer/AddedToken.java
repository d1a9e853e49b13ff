package io.sparkgguf.model.tokenizer;

/**
 * A token that is cut out of the text before the model sees it.
 *
 * @param special whether it steers the model, rather than being text
 * @param strips whether it swallows spaces beside it or asks for word borders, which llama.cpp does not do
 */
record AddedToken(int id, String content, boolean special, boolean strips) {

    /** Whether llama.cpp is to take it for a control token: marked special, or written like one. */
    boolean isControl() {
        return special || looksSpecial(content);
    }

    /** The text to look for: llama.cpp searches the raw text, where a space is a space. */
    String text() {
        return isControl() ? content : content.replace('\u2581', ' ');
    }

    /** Spellings of control tokens that some models forget to mark as special. */
    private static boolean looksSpecial(String text) {
        return switch (text) {
            case "<pad>", "<mask>", "<2mass>", "[@BOS@]" -> true;
            default ->
                wrapped(text, "<|", "|>") || wrapped(text, "<\uFF5C", "\uFF5C>") || wrapped(text, "<unused", ">");
        };
    }

    private static boolean wrapped(String text, String start, String end) {
        return text.startsWith(start) && text.endsWith(end);
    }
}
