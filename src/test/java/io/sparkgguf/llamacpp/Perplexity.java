package io.sparkgguf.llamacpp;

import java.io.IOException;

/**
 * Perplexity as llama-perplexity defines it: the text's tokens, begun with BOS, are cut into chunks of the context's
 * length, a rest is left out, the first token of each chunk becomes BOS, and the tokens of the second half are predicted.
 */
public final class Perplexity {
    private Perplexity() {}

    /** [chunk][position] token ids. {@code ids} are the text's, without a BOS token; at most {@code limit} chunks. */
    public static int[][] chunks(int[] ids, int context, int bos, int limit) {
        int[][] chunks = new int[Math.min(limit, (ids.length + 1) / context)][context];
        for (int i = 0; i < chunks.length; i++) {
            chunks[i][0] = bos; // in the place of a token of the text, but in the first chunk
            System.arraycopy(ids, i * context, chunks[i], 1, context - 1);
        }
        return chunks;
    }

    /** The first position whose next token counts. */
    public static int first(int context) {
        return context / 2;
    }

    /** exp(mean of -ln p(next token)). {@code logits} are those of {@code chunks} from {@link #first} on. */
    public static double of(int[][] chunks, Logits logits) throws IOException {
        double sum = 0;
        long count = 0;
        for (int chunk = 0; chunk < chunks.length; chunk++) {
            for (int position = logits.first(); position < chunks[chunk].length - 1; position++) {
                sum -= Divergence.logSoftmax(logits.row(chunk, position))[chunks[chunk][position + 1]];
                count++;
            }
        }
        return Math.exp(sum / count);
    }
}
