"""The pains of users of other gateways, and where each is attacked here.

Numbers are those of the study of peers that this project began with. A test file is named after its
pain and tells it with the public issues. Where the part of the platform that could have a pain is
not built yet, there is no test that would only pretend.

    D1   streamed calls recorded at zero              test_d01
    D2   cached tokens mispriced                      test_d02
    D3   disconnected clients not billed              test_d03
    D4   zero taken for missing                       test_d04
    D5   price map poisoned                           test_d05; signed price books with a quarantine
                                                      of anomalies come with the market
    D6   budgets and limits gone round                test_d06
    D7   refunds that inflate                         test_d07; the double-entry ledger comes with
                                                      billing
    D8   duplicates in the analytics store            test_d08
    D9   limits that multiply with replicas           test_d09
    D10  leaks and out of memory                      test_d10
    D11  latency through the gateway                  test_d11
    D12  connection storms                            test_d12
    D13  timeouts and body limits                     test_d13; no keep-alive comments are sent
                                                      while a host thinks
    D14  live clients closed under load               test_d14
    D15  logs that grow and deadlock                  test_d15
    D16  reports that kill serving                    test_d16
    D17  upgrades that destroy or half-apply          test_d17
    D18  operations                                   deletion protection, export and the restore
                                                      drill come with them
    D19  streams out of order                         test_d19
    D20  errors lost in the middle of a stream        test_d20
    D21  tool indexes and the shape of errors         test_d21
    D22  long prompts tokenised                       test_d22
    D23  dead channels pinned                         test_d23
    D24  scale-up that kills everything               with replicas that scale
    D25  wrong estimates of memory                    with GPUs
    D26  memory of GPUs not released                  with GPUs
    D27  recovery of workers                          tests/worker/test_reconcile.py and tests/crash
    D28  dependency hell                              engines are processes: tests/plugins/engines
    D29  no autoscaling                               with replicas that scale
    D30  supply chain                                 scripts/lock.py: hashes for every package
    D31  authentication                               tests/gateway/test_authenticate.py,
                                                      tests/control/test_route_table.py, tests/fuzz
    D32  features that run code                       there are none
    D33  default credentials                          tests/features/accounts/test_first_run.py
    D34  forged payments                              with payments
    D35  secrets in logs                              tests/control/test_credentials_stay_inside.py
    D36  regressions of the administrator's pages     tests/browser
"""
