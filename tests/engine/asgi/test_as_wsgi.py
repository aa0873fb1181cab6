"""What is tested of the engine for WSGI and is no matter of WSGI: the same tests, with their applications in threads.

The fixtures are those of this folder.
"""

# ruff: noqa: F401
from tests.engine.test_bodies import (
    test_a_body_may_come_in_pieces_with_a_request_behind_it,
    test_a_body_that_stops_coming_is_408,
    test_a_client_that_leaves_in_the_middle_of_its_body,
    test_a_slow_upload_holds_no_thread,
    test_an_unknown_expectation_is_417,
    test_an_unread_small_body_does_not_cost_the_connection,
    test_at_most_half_of_the_threads_wait_for_uploads,
    test_bodies_that_were_used_hold_no_memory,
    test_chunked,
    test_content_length,
    test_continue_is_sent_when_the_application_reads,
    test_malformed_chunks_are_refused,
    test_wsgi_input_is_a_file,
)
from tests.engine.test_counters import (
    test_answers_of_an_engine,
)
from tests.engine.test_deadlines import (
    few_descriptors,
    test_a_connection_without_any_request_is_closed_quietly,
    test_a_head_that_takes_too_long_is_408,
    test_a_server_at_its_limit_says_so_once_a_minute,
    test_adopted_connections_do_not_count_against_the_limit,
    test_an_answer_is_whole_though_the_client_still_sends,
    test_an_idle_connection_is_closed_after_keepalive,
    test_closing_waits_for_the_peer_and_not_for_ever,
    test_keepalive_zero_closes_after_each_answer,
    test_running_out_of_descriptors_is_survived,
    test_worker_connections_is_a_limit_and_not_an_end,
)
from tests.engine.test_faults import (
    test_a_callback_that_raises_loses_no_connection,
    test_a_listener_that_is_closed_does_not_keep_the_others_from_leaving,
    test_a_source_that_comes_when_the_engine_has_stopped,
    test_one_that_cannot_be_adopted_does_not_hold_up_the_others,
    test_shedding_survives_what_it_gives_to,
)
from tests.engine.test_health import (
    healthy,
    test_a_draining_engine_says_so,
    test_a_lame_duck_says_so_and_serves,
    test_health_between_other_requests,
    test_health_for_http_1_0,
    test_health_is_not_the_applications,
    test_more_than_a_question_is_the_applications,
    test_one_that_hands_over_is_well,
)
from tests.engine.test_idle import (
    test_all_are_handed_over_and_none_is_lost,
    test_cpu,
    test_memory,
)
from tests.engine.test_leaving import (
    test_a_busy_connection_moves_when_it_is_done,
    test_a_connection_for_an_unknown_listener_is_closed,
    test_a_give_that_raises_loses_nothing,
    test_a_half_read_body_is_finished_first,
    test_a_half_read_head_travels,
    test_a_thread_that_finishes_during_the_sweep,
    test_an_answer_half_written_is_finished_first,
    test_back_and_forth_under_load,
    test_changed_is_called_when_all_is_gone,
    test_draining_answers_all_that_was_pipelined,
    test_draining_answers_what_is_on_the_wire,
    test_hammer_cuts_what_runs_and_says_what,
    test_idle_connections_move_and_are_never_closed,
    test_leave_may_change_its_mind,
    test_more_bytes_than_may_travel_are_served_first,
    test_one_that_is_about_to_arrive_is_waited_for,
    test_pipelined_requests_travel_or_are_served,
    test_resume_accepts_again,
    test_slow_calls_move_back_and_forth,
    test_what_is_not_taken_drains,
    test_what_waits_in_the_backlog_moves_too,
    test_whole_requests_among_the_bytes_are_served_at_once,
)
from tests.engine.test_logger_that_fails import (
    test_an_access_log_that_fails_does_not_cut_an_answer,
    test_hooks_are_called_all_the_same,
    test_the_first_failure_is_printed,
    test_uploads_are_not_used_up,
)
from tests.engine.test_proxy_protocol import (
    test_a_header_that_does_not_end_is_408,
    test_a_peer_that_may_not_say_so_is_403,
    test_forwarded_headers_are_trusted_by_the_peers_address,
    test_half_a_signature_is_not_waited_for_once_it_is_none,
    test_information_that_cannot_be_read_closes_the_connection,
    test_it_is_in_the_access_log,
    test_only_at_the_beginning,
    test_requests_without_a_header,
    test_split_at_every_byte,
    test_that_there_was_none_moves_too,
    test_what_is_no_header_is_400,
)
from tests.engine.test_refusals import (
    test_a_refusal_is_logged_and_does_not_hurt_others,
    test_ambiguous_requests_are_400,
    test_loosened_rules,
    test_more_headers_than_the_c_parser_holds,
    test_other_codes,
    test_the_error_page_escapes,
    test_unusual_but_right,
)
from tests.engine.test_requests import (
    test_a_half_closed_client_gets_its_answers,
    test_a_head_may_come_in_pieces,
    test_a_pipelining_client_does_not_fill_the_memory,
    test_a_proxy_may_say_that_its_client_spoke_https,
    test_answers_a_request_and_keeps_the_connection,
    test_asterisk_is_for_options_only,
    test_connection_close_is_honoured,
    test_contradicting_scheme_headers_are_refused,
    test_http10_is_closed_unless_it_asks_to_be_kept,
    test_names_with_underscores,
    test_pipelined_requests_are_answered_in_order,
)
from tests.engine.test_tls import (
    test_a_client_that_closes_its_side_is_answered,
    test_a_handshake_byte_by_byte,
    test_a_handshake_that_does_not_end,
    test_a_rest_of_a_record_raises_no_event,
    test_an_idle_connection_ends_with_close_notify,
    test_connection_close_ends_with_close_notify,
    test_large_answers_to_slow_clients,
    test_large_uploads,
    test_noise_is_closed,
    test_plain_http_is_told_so,
    test_timeouts_are_those_of_plain_connections,
    test_under_load,
    test_versions,
)
from tests.engine.test_tls_leaving import (
    test_a_retirement_that_becomes_a_stop_and_one_that_is_taken_back,
    test_draining_is_quick,
    test_retiring_in_the_middle,
    test_retiring_keeps_idle_connections_for_their_keepalive,
    test_what_moves_is_plain,
    test_what_others_accepted_begins_with_its_handshake,
)
