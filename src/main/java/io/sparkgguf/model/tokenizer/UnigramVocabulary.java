package io.sparkgguf.model.tokenizer;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Unigram as llama.cpp's {@code t5} tokenizer: of all ways to cut a text into tokens the one with the largest sum of
 * scores. The {@code llama} tokenizer would take the same scores and cut many words otherwise.
 *
 * <p>That tokenizer knows no byte fallback. A byte token of an ASCII character that has no token of its own (a newline,
 * mostly) is therefore written as that character, with the score of an unknown one; for other characters that the
 * vocabulary lacks there is only the unknown token, and a note says so.
 */
final class UnigramVocabulary {
    /** What an unknown character costs beyond the worst token, in SentencePiece, tokenizers and llama.cpp alike. */
    private static final float UNKNOWN_PENALTY = 10f;

    private UnigramVocabulary() {}

    static void writeModel(Metadata metadata, Vocabulary vocabulary, SentencePieceModel model, List<String> notes) {
        if (model.byteFallback()) {
            replaceAsciiBytes(vocabulary, model.pieces(), notes);
        }
        if (model.removeExtraWhitespaces() && !model.addDummyPrefix()) {
            notes.add("tokenizer.model puts no space before the first word, llama.cpp does where it merges spaces");
        }
        write(
                metadata,
                TokenizerFiles.TOKENIZER_MODEL,
                model.addDummyPrefix(),
                model.removeExtraWhitespaces(),
                model.charsmap());
    }

    static void writeJson(Metadata metadata, Vocabulary vocabulary, FastTokenizer tokenizer, List<String> notes) {
        TextRules rules = TextRules.of(tokenizer);
        if (!rules.escapesSpaces()) {
            throw tokenizer.json().refuse("its Unigram pieces hold plain spaces, for which llama.cpp has no tokenizer");
        }
        Set<String> added = new HashSet<>();
        tokenizer.added().forEach(token -> added.add(token.content()));
        int unknown = tokenizer.modelNode().path("unk_id").asInt(-1);
        List<SentencePieceModel.Piece> pieces = tokenizer.vocabulary().entrySet().stream()
                .map(entry -> piece(tokenizer, entry.getKey(), entry.getValue(), unknown))
                .toList();
        if (unknown < 0 || unknown >= pieces.size()) {
            throw tokenizer.json().refuse("its unk_id is none of its " + pieces.size() + " tokens");
        }
        for (int id = 0; id < pieces.size(); id++) {
            SentencePieceModel.Piece piece = pieces.get(id);
            if (!added.contains(piece.text())) {
                vocabulary.add(id, piece.text(), piece.type(), piece.score());
            }
        }
        if (tokenizer.byteFallback()) {
            replaceAsciiBytes(vocabulary, pieces, notes);
        }
        rules.note(notes);
        write(metadata, TokenizerFiles.TOKENIZER_JSON, rules.addsPrefix(), rules.mergesSpaces(), rules.charsmap());
    }

    private static SentencePieceModel.Piece piece(FastTokenizer tokenizer, String text, int id, int unknown) {
        TokenType type = TokenType.NORMAL;
        if (id == unknown) {
            type = TokenType.UNKNOWN;
        } else if (tokenizer.byteFallback() && SentencePieceVocabulary.isByte(text)) {
            type = TokenType.BYTE;
        }
        return new SentencePieceModel.Piece(text, tokenizer.unigramScores()[id], type);
    }

    private static void replaceAsciiBytes(
            Vocabulary vocabulary, List<SentencePieceModel.Piece> pieces, List<String> notes) {
        Set<String> texts = new HashSet<>();
        float worst = 0;
        for (SentencePieceModel.Piece piece : pieces) {
            texts.add(piece.text());
            worst = piece.type() == TokenType.NORMAL ? Math.min(worst, piece.score()) : worst;
        }
        for (int id = 0; id < pieces.size(); id++) {
            SentencePieceModel.Piece piece = pieces.get(id);
            if (piece.type() != TokenType.BYTE || !piece.text().equals(vocabulary.text(id))) {
                continue;
            }
            int value = Integer.parseInt(piece.text().substring(3, 5), 16);
            String character = Character.toString(value);
            // NUL would end the text, and a space has become U+2581 by then.
            if (value > 0 && value < 0x80 && value != ' ' && !texts.contains(character)) {
                vocabulary.replace(id, character, TokenType.NORMAL, worst - UNKNOWN_PENALTY);
            }
        }
        notes.add("llama.cpp's Unigram has no byte fallback: characters beyond ASCII that have no token of their own"
                + " become the unknown token");
    }

    private static void write(Metadata metadata, String file, boolean addPrefix, boolean mergeSpaces, byte[] charsmap) {
        metadata.putString("tokenizer.ggml.model", "t5");
        metadata.putString("tokenizer.ggml.pre", "default");
        metadata.putBool("tokenizer.ggml.add_space_prefix", addPrefix);
        metadata.putBool("tokenizer.ggml.remove_extra_whitespaces", mergeSpaces);
        if (charsmap.length > 0) {
            check(file, charsmap);
            metadata.put("tokenizer.ggml.precompiled_charsmap", new MetadataValue.Numbers(MetadataType.U8, charsmap));
        }
    }

    /** A charsmap is the length of its trie in bytes, the trie in words of 4 bytes, and the replacements. */
    private static void check(String file, byte[] charsmap) {
        long trie = charsmap.length < 4
                ? -1
                : Integer.toUnsignedLong(
                        ByteBuffer.wrap(charsmap).order(ByteOrder.LITTLE_ENDIAN).getInt());
        if (trie < 0 || trie % 4 != 0 || trie + 4 >= charsmap.length || charsmap[charsmap.length - 1] != 0) {
            throw JsonInput.refuse(
                    file, "its precompiled_charsmap of " + charsmap.length + " bytes says that its trie has " + trie);
        }
    }
}
