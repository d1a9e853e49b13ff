package io.sparkgguf.model.tokenizer;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Writes a tokenizer.model as SentencePiece does, field by field. */
final class SentencePieceBuilder {
    static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;
    static final int UNUSED = 5;
    static final int BYTE = 6;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CodedOutputStream out = CodedOutputStream.newInstance(bytes);

    interface Fields {
        void write(CodedOutputStream out) throws IOException;
    }

    /** The usual beginning: unknown, bos and eos. */
    static SentencePieceBuilder begun() {
        return new SentencePieceBuilder()
                .piece("<unk>", 0, UNKNOWN)
                .piece("<s>", 0, CONTROL)
                .piece("</s>", 0, CONTROL);
    }

    SentencePieceBuilder piece(String text, float score, int type) {
        return field(1, piece -> {
            piece.writeString(1, text);
            piece.writeFloat(2, score);
            if (type != NORMAL) {
                piece.writeEnum(3, type);
            }
        });
    }

    SentencePieceBuilder bytePieces() {
        for (int value = 0; value < 256; value++) {
            piece(String.format("<0x%02X>", value), 0, BYTE);
        }
        return this;
    }

    /** @param model 1 Unigram, 2 BPE */
    SentencePieceBuilder trainer(int model, boolean byteFallback) {
        return field(2, trainer -> {
            trainer.writeString(2, "corpus");
            trainer.writeEnum(3, model);
            trainer.writeBool(35, byteFallback);
        });
    }

    SentencePieceBuilder normalizer(byte[] charsmap, boolean dummyPrefix, boolean mergeSpaces) {
        return field(3, normalizer -> {
            normalizer.writeString(1, "identity");
            normalizer.writeByteArray(2, charsmap);
            normalizer.writeBool(3, dummyPrefix);
            normalizer.writeBool(4, mergeSpaces);
        });
    }

    SentencePieceBuilder field(int number, Fields fields) {
        try {
            ByteArrayOutputStream inner = new ByteArrayOutputStream();
            CodedOutputStream message = CodedOutputStream.newInstance(inner);
            fields.write(message);
            message.flush();
            out.writeByteArray(number, inner.toByteArray());
            out.flush();
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    byte[] bytes() {
        return bytes.toByteArray();
    }
}
