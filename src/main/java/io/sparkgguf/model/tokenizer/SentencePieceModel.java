package io.sparkgguf.model.tokenizer;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A tokenizer.model: the protocol buffer that SentencePiece writes, as far as tokenizing needs it. The numbers of the
 * fields are those of sentencepiece_model.proto.
 */
final class SentencePieceModel {
    static final int UNIGRAM = 1;
    static final int BPE = 2;

    private static final String FILE = TokenizerFiles.TOKENIZER_MODEL;

    /** Pieces of one model; the largest known have a quarter of a million. */
    private static final int MAX_PIECES = 4_000_000;

    private final List<Piece> pieces = new ArrayList<>();
    private int modelType = UNIGRAM;
    private boolean byteFallback;
    private boolean whitespaceAsSuffix;
    private int unknownId;
    private int bosId = 1;
    private int eosId = 2;
    private int padId = -1;
    private byte[] charsmap = {};
    private boolean addDummyPrefix = true;
    private boolean removeExtraWhitespaces = true;
    private boolean escapeWhitespaces = true;

    /** One token; its id is its place. */
    record Piece(String text, float score, TokenType type) {}

    private SentencePieceModel() {}

    /**
     * @throws InvalidInputException when the file is cut short, is no SentencePiece model, or one of a kind that
     *     llama.cpp does not know
     */
    static SentencePieceModel parse(byte[] bytes) {
        SentencePieceModel model = new SentencePieceModel();
        CodedInputStream in = CodedInputStream.newInstance(bytes);
        try {
            model.readModel(in);
        } catch (InvalidProtocolBufferException e) {
            throw new InvalidInputException(
                    "Cannot use " + FILE + ": damaged at byte " + in.getTotalBytesRead() + " of " + bytes.length
                            + ": it is no SentencePiece model, or cut short",
                    e);
        } catch (IOException e) {
            throw new InvalidInputException("Cannot use " + FILE + ": " + e.getMessage(), e);
        }
        model.check();
        return model;
    }

    private void readModel(CodedInputStream in) throws IOException {
        boolean hasTrainer = false;
        boolean hasNormalizer = false;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case 1 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED -> inside(in, this::readPiece);
                case 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED -> {
                    inside(in, this::readTrainer);
                    hasTrainer = true;
                }
                case 3 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED -> {
                    inside(in, this::readNormalizer);
                    hasNormalizer = true;
                }
                default -> skip(in, tag);
            }
        }
        // A file may end between two fields and still be a whole protocol buffer; every model has all three.
        if (pieces.isEmpty() || !hasTrainer || !hasNormalizer) {
            throw JsonInput.refuse(
                    FILE,
                    (pieces.isEmpty() ? "no pieces" : hasTrainer ? "no normalizer settings" : "no trainer settings")
                            + " in " + in.getTotalBytesRead() + " bytes; it is no SentencePiece model, or cut short");
        }
    }

    private interface Message {
        void read(CodedInputStream in) throws IOException;
    }

    private static void inside(CodedInputStream in, Message message) throws IOException {
        int outer = in.pushLimit(in.readRawVarint32());
        message.read(in);
        in.checkLastTagWas(0);
        in.popLimit(outer);
    }

    private static void skip(CodedInputStream in, int tag) throws IOException {
        if (!in.skipField(tag)) {
            throw JsonInput.refuse(
                    FILE, "damaged at byte " + in.getTotalBytesRead() + ": a group ends that never began");
        }
    }

    private void readPiece(CodedInputStream in) throws IOException {
        String text = "";
        float score = 0;
        int type = TokenType.NORMAL.code();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case 1 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED -> text = text(in.readByteArray());
                case 2 << 3 | WireFormat.WIRETYPE_FIXED32 -> score = in.readFloat();
                case 3 << 3 | WireFormat.WIRETYPE_VARINT -> type = in.readEnum();
                default -> skip(in, tag);
            }
        }
        if (type < 1 || type > TokenType.values().length) {
            throw JsonInput.refuse(FILE, "piece " + pieces.size() + " is of type " + type + "; known are 1 to 6");
        }
        if (!Float.isFinite(score)) {
            throw JsonInput.refuse(FILE, "token " + JsonInput.quote(text) + " has the score " + score);
        }
        if (pieces.size() == MAX_PIECES) {
            throw JsonInput.refuse(FILE, "more than " + MAX_PIECES + " pieces");
        }
        pieces.add(new Piece(text, score, ofCode(type)));
    }

    /** The type of a code; SentencePiece numbers control 3, user-defined 4, unused 5 and byte 6, as GGUF does. */
    private static TokenType ofCode(int code) {
        return TokenType.values()[code - 1];
    }

    private String text(byte[] utf8) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new InvalidInputException("Cannot use " + FILE + ": piece " + pieces.size() + " is not UTF-8", e);
        }
    }

    private void readTrainer(CodedInputStream in) throws IOException {
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case 3 << 3 | WireFormat.WIRETYPE_VARINT -> modelType = in.readEnum();
                case 24 << 3 | WireFormat.WIRETYPE_VARINT -> whitespaceAsSuffix = in.readBool();
                case 35 << 3 | WireFormat.WIRETYPE_VARINT -> byteFallback = in.readBool();
                case 40 << 3 | WireFormat.WIRETYPE_VARINT -> unknownId = in.readInt32();
                case 41 << 3 | WireFormat.WIRETYPE_VARINT -> bosId = in.readInt32();
                case 42 << 3 | WireFormat.WIRETYPE_VARINT -> eosId = in.readInt32();
                case 43 << 3 | WireFormat.WIRETYPE_VARINT -> padId = in.readInt32();
                default -> skip(in, tag);
            }
        }
    }

    private void readNormalizer(CodedInputStream in) throws IOException {
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED -> charsmap = in.readByteArray();
                case 3 << 3 | WireFormat.WIRETYPE_VARINT -> addDummyPrefix = in.readBool();
                case 4 << 3 | WireFormat.WIRETYPE_VARINT -> removeExtraWhitespaces = in.readBool();
                case 5 << 3 | WireFormat.WIRETYPE_VARINT -> escapeWhitespaces = in.readBool();
                default -> skip(in, tag);
            }
        }
    }

    private void check() {
        if (modelType != UNIGRAM && modelType != BPE) {
            throw JsonInput.refuse(FILE, "its model is of type " + modelType + "; known are 1 (Unigram) and 2 (BPE)");
        }
        if (whitespaceAsSuffix) {
            throw JsonInput.refuse(FILE, "it ends words with their space, which llama.cpp does only for T5");
        }
        if (!escapeWhitespaces) {
            throw JsonInput.refuse(FILE, "its pieces hold plain spaces, for which llama.cpp has no tokenizer");
        }
        if (pieces.stream().noneMatch(piece -> piece.type() == TokenType.UNKNOWN)) {
            throw JsonInput.refuse(FILE, "none of its " + pieces.size() + " pieces is the unknown token");
        }
    }

    List<Piece> pieces() {
        return pieces;
    }

    boolean isUnigram() {
        return modelType == UNIGRAM;
    }

    boolean byteFallback() {
        return byteFallback;
    }

    /** The id that the model gives to {@code unk}, {@code bos}, {@code eos} or {@code pad}; negative for none. */
    int specialId(String name) {
        return switch (name) {
            case "unk" -> unknownId;
            case "bos" -> bosId;
            case "eos" -> eosId;
            case "pad" -> padId;
            default -> -1;
        };
    }

    /** Normalization rules as SentencePiece compiles them; empty for none. */
    byte[] charsmap() {
        return charsmap;
    }

    boolean addDummyPrefix() {
        return addDummyPrefix;
    }

    boolean removeExtraWhitespaces() {
        return removeExtraWhitespaces;
    }
}
